#ifndef GRAPE_CROCKSDB_WRAPPERS_H
#define GRAPE_CROCKSDB_WRAPPERS_H

#include <rocksdb/c.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/status.h>
#include <rocksdb/version.h>

#include <cstring>
#include <memory>

// The C API's structs are opaque; these are their layouts in the one version this file was checked against.
static_assert(ROCKSDB_MAJOR == 7 && ROCKSDB_MINOR == 8, "check the C API's struct layouts against this version");

struct rocksdb_t { rocksdb::DB *rep; };
struct rocksdb_options_t { rocksdb::Options rep; };
struct rocksdb_cache_t { std::shared_ptr<rocksdb::Cache> rep; };
struct rocksdb_column_family_handle_t { rocksdb::ColumnFamilyHandle *rep; };

inline void grape_report(const rocksdb::Status &status, char **error) {
    if (!status.ok()) *error = strdup(status.ToString().c_str());
}

#endif
