#include <rocksdb/convenience.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/statistics.h>
#include <rocksdb/write_buffer_manager.h>

#include "CRocksDBExtras.h"
#include "Wrappers.h"

void grape_options_set_memtable_budget(rocksdb_options_t *options, size_t bytes, rocksdb_cache_t *cache) {
    options->rep.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(bytes, cache->rep, false);
}

void grape_options_track_write_ahead_logs(rocksdb_options_t *options) {
    options->rep.track_and_verify_wals_in_manifest = true;
}

void grape_options_set_write_back(rocksdb_options_t *options, uint64_t bytes) {
    options->rep.bytes_per_sync = bytes;
}

void grape_options_enable_tickers(rocksdb_options_t *options) {
    options->rep.statistics = rocksdb::CreateDBStatistics();
    options->rep.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
    options->rep.stats_dump_period_sec = 0;
    options->rep.stats_persist_period_sec = 0;
}

uint64_t grape_options_ticker(const rocksdb_options_t *options, grape_ticker ticker) {
    const auto &statistics = options->rep.statistics;
    if (!statistics) return 0;
    switch (ticker) {
    case grape_ticker_cache_hits: return statistics->getTickerCount(rocksdb::BLOCK_CACHE_HIT);
    case grape_ticker_cache_misses: return statistics->getTickerCount(rocksdb::BLOCK_CACHE_MISS);
    case grape_ticker_bytes_written: return statistics->getTickerCount(rocksdb::BYTES_WRITTEN);
    case grape_ticker_bytes_read: return statistics->getTickerCount(rocksdb::BYTES_READ);
    case grape_ticker_log_syncs: return statistics->getTickerCount(rocksdb::WAL_FILE_SYNCED);
    case grape_ticker_stall_microseconds: return statistics->getTickerCount(rocksdb::STALL_MICROS);
    }
    return 0;
}

void grape_resume(rocksdb_t *database, char **error) { grape_report(database->rep->Resume(), error); }

void grape_compact_range(
    rocksdb_t *database, rocksdb_column_family_handle_t *family, const char *from, size_t from_count, const char *to,
    size_t to_count, int bottommost, char **error) {
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    if (bottommost) options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    const rocksdb::Slice first(from, from_count), last(to, to_count);
    grape_report(
        database->rep->CompactRange(options, family->rep, from ? &first : nullptr, to ? &last : nullptr), error);
}

void grape_delete_files(
    rocksdb_t *database, rocksdb_column_family_handle_t *family, const char *from, size_t from_count, const char *to,
    size_t to_count, char **error) {
    const rocksdb::Slice first(from, from_count), last(to, to_count);
    const rocksdb::RangePtr range(&first, &last);
    grape_report(rocksdb::DeleteFilesInRanges(database->rep, family->rep, &range, 1, false), error);
}

void grape_approximate_size(
    rocksdb_t *database, rocksdb_column_family_handle_t *family, const char *from, size_t from_count, const char *to,
    size_t to_count, uint64_t *size, char **error) {
    rocksdb::SizeApproximationOptions options;
    options.include_memtables = true;
    const rocksdb::Range range(rocksdb::Slice(from, from_count), rocksdb::Slice(to, to_count));
    grape_report(database->rep->GetApproximateSizes(options, family->rep, &range, 1, size), error);
}

void grape_verify_table(const rocksdb_options_t *options, const char *path, char **error) {
    rocksdb::Options plain;
    plain.env = options->rep.env;
    rocksdb::SstFileReader reader(plain);
    rocksdb::Status status = reader.Open(path);
    rocksdb::ReadOptions reading;
    reading.fill_cache = false;
    if (status.ok()) status = reader.VerifyChecksum(reading);
    grape_report(status, error);
}
