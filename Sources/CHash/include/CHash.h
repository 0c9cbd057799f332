#ifndef GRAPE_CHASH_H
#define GRAPE_CHASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// CRC32C (Castagnoli, reflected, initial value and final xor all ones). `seed` is the result of an earlier call over
// the bytes before these, or 0 at the start, so that a row can be summed part by part. Safe from any thread.
uint32_t grape_crc32c(uint32_t seed, const void *bytes, size_t count);

// The portable form, kept callable so that tests can compare the two.
uint32_t grape_crc32c_table(uint32_t seed, const void *bytes, size_t count);

// XXH64, the hash that places points on shards: fixed for ever.
uint64_t grape_xxh64(uint64_t seed, const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
