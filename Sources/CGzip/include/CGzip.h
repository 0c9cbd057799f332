// gzip streams by zlib (Debian's zlib1g-dev): only what Grape calls.
#ifndef GRAPE_CGZIP_H
#define GRAPE_CGZIP_H

#include <stddef.h>
#include <stdint.h>

typedef struct grape_gzip grape_gzip;

/// A stream that compresses: by Huffman codes alone, as vectors and packed blocks have nothing that comes again. NULL where there is no
/// memory.
grape_gzip *grape_gzip_compressor(void);

/// A stream that reads one gzip member. NULL where there is no memory.
grape_gzip *grape_gzip_decompressor(void);

void grape_gzip_free(grape_gzip *stream);

/// What a step came to.
typedef enum {
    /// All of the input is taken, or all of the room is full.
    grape_gzip_going,
    /// The end of the member: when reading, its checksum and length are right.
    grape_gzip_ended,
    grape_gzip_damaged,
} grape_gzip_state;

/// Goes on from `*taken` of `count` input bytes and `*given` of `room` output bytes; both move. `last`: a compressor is to end.
grape_gzip_state grape_gzip_step(
    grape_gzip *stream, const uint8_t *input, size_t count, size_t *taken, uint8_t *output, size_t room, size_t *given,
    _Bool last);

#endif
