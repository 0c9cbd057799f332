#include "CLZ4.h"

#include <limits.h>
#include <lz4.h>

size_t grape_lz4_bound(size_t count) {
    return count > LZ4_MAX_INPUT_SIZE ? 0 : (size_t)LZ4_compressBound((int)count);
}

size_t grape_lz4_compress(const uint8_t *source, size_t count, uint8_t *target, size_t capacity) {
    if (count > LZ4_MAX_INPUT_SIZE || capacity > INT_MAX) return 0;
    int written = LZ4_compress_default((const char *)source, (char *)target, (int)count, (int)capacity);
    return written > 0 ? (size_t)written : 0;
}

_Bool grape_lz4_decompress(const uint8_t *source, size_t count, uint8_t *target, size_t expected) {
    if (count > INT_MAX || expected > INT_MAX) return 0;
    int written = LZ4_decompress_safe((const char *)source, (char *)target, (int)count, (int)expected);
    return written >= 0 && (size_t)written == expected;
}
