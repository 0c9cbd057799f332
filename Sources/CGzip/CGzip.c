#include "CGzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

struct grape_gzip {
    z_stream stream;
    _Bool compresses;
};

// 15 bits of window, and 16 for the frame of gzip.
enum { windowBits = 15 + 16 };

grape_gzip *grape_gzip_compressor(void) {
    grape_gzip *gzip = calloc(1, sizeof *gzip);
    if (!gzip) return NULL;
    gzip->compresses = 1;
    if (deflateInit2(&gzip->stream, 1, Z_DEFLATED, windowBits, 9, Z_HUFFMAN_ONLY) == Z_OK) return gzip;
    free(gzip);
    return NULL;
}

grape_gzip *grape_gzip_decompressor(void) {
    grape_gzip *gzip = calloc(1, sizeof *gzip);
    if (!gzip) return NULL;
    if (inflateInit2(&gzip->stream, windowBits) == Z_OK) return gzip;
    free(gzip);
    return NULL;
}

void grape_gzip_free(grape_gzip *gzip) {
    if (gzip->compresses) {
        deflateEnd(&gzip->stream);
    } else {
        inflateEnd(&gzip->stream);
    }
    free(gzip);
}

grape_gzip_state grape_gzip_step(
    grape_gzip *gzip, const uint8_t *input, size_t count, size_t *taken, uint8_t *output, size_t room, size_t *given,
    _Bool last) {
    z_stream *stream = &gzip->stream;
    size_t left = count - *taken, space = room - *given;
    uInt in = left > UINT_MAX ? UINT_MAX : (uInt)left, out = space > UINT_MAX ? UINT_MAX : (uInt)space;
    stream->next_in = (Bytef *)(uintptr_t)(input + *taken);
    stream->avail_in = in;
    stream->next_out = output + *given;
    stream->avail_out = out;
    int flush = last && in == left ? Z_FINISH : Z_NO_FLUSH;
    int code = gzip->compresses ? deflate(stream, flush) : inflate(stream, Z_NO_FLUSH);
    *taken += in - stream->avail_in;
    *given += out - stream->avail_out;
    if (code == Z_STREAM_END) return grape_gzip_ended;
    return code == Z_OK || code == Z_BUF_ERROR ? grape_gzip_going : grape_gzip_damaged;
}
