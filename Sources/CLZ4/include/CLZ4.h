// LZ4 blocks (Debian's liblz4-dev): only what Grape calls.
#ifndef GRAPE_CLZ4_H
#define GRAPE_CLZ4_H

#include <stddef.h>
#include <stdint.h>

/// Room that `grape_lz4_compress` may need for `count` bytes; 0 where that is more than LZ4 takes at once.
size_t grape_lz4_bound(size_t count);

/// Bytes written to `target`, or 0 where they don't fit.
size_t grape_lz4_compress(const uint8_t *source, size_t count, uint8_t *target, size_t capacity);

/// Whether `source` is a block that gives exactly `expected` bytes. Trusts nothing in `source`.
_Bool grape_lz4_decompress(const uint8_t *source, size_t count, uint8_t *target, size_t expected);

#endif
