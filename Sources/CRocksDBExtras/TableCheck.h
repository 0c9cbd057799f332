#ifndef GRAPE_TABLE_CHECK_H
#define GRAPE_TABLE_CHECK_H

#include <rocksdb/file_system.h>

#include <string>

/// Checks the parts of a table file that RocksDB 7.8 reads before it looks at their checksums: the footer, the block that
/// lists the other metadata, and the table's properties. A flipped bit there ends a process with assertions, as Debian builds
/// it, or is blamed on another file.
///
/// Format (RocksDB's `table/format.cc`, version 5 of the footer): the last 53 bytes are the type of checksums (8 bits), two
/// handles (offset and length as varints) in 40 bytes, the version (32) and a magic number (64). A block is followed by its
/// compression (8) and the checksum over both (32).
///
/// -> `Corruption` that names the file.
rocksdb::IOStatus check_table(const rocksdb::FSRandomAccessFile &file, const std::string &name, uint64_t size);

#endif
