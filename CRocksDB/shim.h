#ifndef GRAPE_CROCKSDB_SHIM_H
#define GRAPE_CROCKSDB_SHIM_H

#include <rocksdb/c.h>
#include <stddef.h>
#include <stdint.h>

// Appends one row as parts, so that a header, a vector and the checksum reach the batch by one copy each instead of
// being concatenated first. It is C because the C API wants four parallel arrays, which Swift would allocate.
static inline void grape_batch_put(
    rocksdb_writebatch_t *batch, rocksdb_column_family_handle_t *family, const void *key, size_t key_count,
    const void *header, size_t header_count, const void *body, size_t body_count, uint32_t checksum) {
    unsigned char trailer[4] = {
        (unsigned char)checksum, (unsigned char)(checksum >> 8), (unsigned char)(checksum >> 16),
        (unsigned char)(checksum >> 24)};
    const char *keys[1] = {(const char *)key};
    size_t key_counts[1] = {key_count};
    const char *values[3] = {(const char *)header, (const char *)body, (const char *)trailer};
    size_t value_counts[3] = {header_count, body_count, sizeof trailer};
    rocksdb_writebatch_putv_cf(batch, family, 1, keys, key_counts, 3, values, value_counts);
}

// The C API declares these enumerators as anonymous constants, which Swift imports as bare integers of varying width;
// naming them here keeps the numbers out of the Swift code.
static inline void grape_options_use_point_in_time_recovery(rocksdb_options_t *options) {
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_point_in_time_recovery);
}

static inline void grape_options_set_lz4(rocksdb_options_t *options) {
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
}

static inline void grape_options_set_uncompressed(rocksdb_options_t *options) {
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_set_bottommost_compression(options, rocksdb_no_compression);
}

// zstd with a trained dictionary at the bottommost level only: there a block is written once and read for long.
static inline void grape_options_set_bottommost_zstd(
    rocksdb_options_t *options, int level, int dictionary_bytes, int training_bytes) {
    rocksdb_options_set_bottommost_compression(options, rocksdb_zstd_compression);
    rocksdb_options_set_bottommost_compression_options(options, -14, level, 0, dictionary_bytes, 1);
    rocksdb_options_set_bottommost_compression_options_zstd_max_train_bytes(options, training_bytes, 1);
}

#endif
