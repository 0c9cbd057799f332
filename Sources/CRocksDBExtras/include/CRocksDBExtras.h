#ifndef GRAPE_CROCKSDB_EXTRAS_H
#define GRAPE_CROCKSDB_EXTRAS_H

// What RocksDB's C API (7.8.3) lacks. Every function takes the C API's own objects. Error strings are malloc'ed into
// *error as the C API does, and freed with `rocksdb_free`.

#include <rocksdb/c.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Files in memory

// A file system in memory that knows what a power loss would leave of it: see MemoryFileSystem.h. For tests.
typedef struct grape_memory_files_t grape_memory_files_t;
grape_memory_files_t *grape_memory_files_create(void);
// A database that was opened on it keeps what it needs.
void grape_memory_files_destroy(grape_memory_files_t *files);
// What a power loss would leave now; seed 0: nothing that was not synced, else some of it.
grape_memory_files_t *grape_memory_files_after_power_loss(const grape_memory_files_t *files, uint64_t seed);
// How many operations have changed something.
uint64_t grape_memory_files_operations(const grape_memory_files_t *files);
uint64_t grape_memory_files_bytes(const grape_memory_files_t *files);
// `count` operations from number `from` on fail, for want of space or because the disk does.
void grape_memory_files_fail(grape_memory_files_t *files, uint64_t from, uint64_t count, int for_space);
// Before every so-many-th operation it is noted what a power loss would leave; 0 ends that.
void grape_memory_files_note_losses(grape_memory_files_t *files, uint64_t every, uint64_t seed);
// The oldest noted, with the number of operations before it; null when there is none left.
grape_memory_files_t *grape_memory_files_take_loss(grape_memory_files_t *files, uint64_t *operations);

// MARK: Background errors and the information log

// Watches one database: keeps its current background error, takes RocksDB's log lines, and writes its logs.
//
// RocksDB's own log writer must not be used: Debian builds RocksDB with assertions, and one of them ends the process
// when the log is written again after a write to it failed, that is on every full disk. This one drops the line.
// RocksDB's own recovery is switched off: it would call `Resume`, which may never return.
typedef struct grape_monitor_t grape_monitor_t;

// Writes the log to `log_path`; at `log_bytes` the file is renamed to `<log_path>.old` and a new one begun.
// A null path keeps no log. A write that meets a full disk deletes `reserve_path` and waits (see
// PatientFileSystem.h). With `files` the database lies there, and nothing waits.
grape_monitor_t *grape_monitor_create(
    const char *log_path, size_t log_bytes, const char *reserve_path, const grape_memory_files_t *files);
void grape_monitor_attach(grape_monitor_t *monitor, rocksdb_options_t *options);
// Calls `changed` on one of RocksDB's threads whenever a flush or a compaction has been entered in the MANIFEST; a null
// function ends that. Set after the open; the context must outlive the database.
void grape_monitor_observe(grape_monitor_t *monitor, void (*changed)(void *context), void *context);
// After the database that it watches is closed and the options are destroyed.
void grape_monitor_destroy(grape_monitor_t *monitor);
// One atomic load: is there a background error?
int grape_monitor_has_error(const grape_monitor_t *monitor);
// Compactions whose inputs are larger than this do not begin.
void grape_monitor_set_free_bytes(grape_monitor_t *monitor, uint64_t bytes);
// Writes that wait for space fail from now on: before a close that must end.
void grape_monitor_stop_waiting(grape_monitor_t *monitor);
// Is a write to a file waiting for space?
int grape_monitor_is_waiting_for_space(const grape_monitor_t *monitor);
// Copies the error's text, cut to `capacity` with its final zero; returns 0 when there is none.
int grape_monitor_copy_error(const grape_monitor_t *monitor, char *text, size_t capacity);

// MARK: Options

// All memtables of all families share `bytes`, and what they hold is charged to `cache`.
void grape_options_set_memtable_budget(rocksdb_options_t *options, size_t bytes, rocksdb_cache_t *cache);
// Closed write-ahead log files are listed in the MANIFEST with their synced size; a missing or shorter one fails the
// open.
void grape_options_track_write_ahead_logs(rocksdb_options_t *options);
// Tables being written go to the disk so many bytes at a time, each part waited for before the next but one is written.
void grape_options_set_write_back(rocksdb_options_t *options, uint64_t bytes);
// Tickers only: no histograms and no timers, which cost clock reads on every operation.
void grape_options_enable_tickers(rocksdb_options_t *options);

typedef enum grape_ticker {
    grape_ticker_cache_hits,
    grape_ticker_cache_misses,
    grape_ticker_bytes_written,
    grape_ticker_bytes_read,
    grape_ticker_log_syncs,
    grape_ticker_stall_microseconds,
} grape_ticker;
uint64_t grape_options_ticker(const rocksdb_options_t *options, grape_ticker ticker);

// MARK: Operations

// Reopens writes after a background error whose cause is gone. RocksDB flushes all memtables for that.
void grape_resume(rocksdb_t *database, char **error);
// `rocksdb_compact_range_cf` drops its status; this one reports it. Null keys stand for the ends. `bottommost` also
// rewrites the last level.
void grape_compact_range(
    rocksdb_t *database, rocksdb_column_family_handle_t *family, const char *from, size_t from_count, const char *to,
    size_t to_count, int bottommost, char **error);
// Deletes the table files that lie wholly in [from, to), past any snapshot; the C API's form includes `to`.
void grape_delete_files(
    rocksdb_t *database, rocksdb_column_family_handle_t *family, const char *from, size_t from_count, const char *to,
    size_t to_count, char **error);
// `rocksdb_approximate_sizes_cf` leaves out what is still in memory; this one adds it.
void grape_approximate_size(
    rocksdb_t *database, rocksdb_column_family_handle_t *family, const char *from, size_t from_count, const char *to,
    size_t to_count, uint64_t *size, char **error);
// Reads a table file from end to end and checks every block, past any cache.
void grape_verify_table(const rocksdb_options_t *options, const char *path, char **error);

#ifdef __cplusplus
}
#endif
#endif
