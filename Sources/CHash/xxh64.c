#define XXH_INLINE_ALL
#include <xxhash.h>

#include "CHash.h"

uint64_t grape_xxh64(uint64_t seed, const void *bytes, size_t count) {
    return XXH64(bytes, count, seed);
}
