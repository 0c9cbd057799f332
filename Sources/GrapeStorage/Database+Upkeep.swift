import CRocksDB
import CRocksDBExtras

extension Database {
    /// Writes memtables to table files and waits for it; nil: those of all families.
    package func flush(_ family: ColumnFamily? = nil) throws(StorageError) { try flush(family, waits: true) }

    /// Does not wait: on a nearly full disk that might take long.
    func startFlush() throws(StorageError) { try flush(nil, waits: false) }

    private func flush(_ family: ColumnFamily?, waits: Bool) throws(StorageError) {
        try enter()
        defer { leave() }
        let options = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(options) }
        rocksdb_flushoptions_set_wait(options, waits ? 1 : 0)
        for family in family.map({ [$0] }) ?? ColumnFamily.allCases {
            try StorageError.check(at: .init(path: path, family: family)) {
                rocksdb_flush_cf(handles.database, options, handles.handle(family), &$0)
            }
        }
    }

    /// Rewrites [from, to) down to the last level, and frees what was deleted there.
    package func compact(_ family: ColumnFamily, from: [UInt8]? = nil, to: [UInt8]? = nil) throws(StorageError) {
        try enter()
        defer { leave() }
        try StorageError.check(at: .init(path: path, family: family)) { error in
            (from ?? []).withUnsafeBytes { first in
                (to ?? []).withUnsafeBytes { last in
                    grape_compact_range(
                        handles.database, handles.handle(family), from == nil ? nil : first.chars, first.count,
                        to == nil ? nil : last.chars, last.count, 1, &error)
                }
            }
        }
    }

    /// About how many bytes of table files the keys in [from, to) take, those still in memory added.
    package func approximateSize(
        _ family: ColumnFamily, from: [UInt8], to: [UInt8]
    ) throws(StorageError) -> UInt64 {
        try enter()
        defer { leave() }
        var size: UInt64 = 0
        try StorageError.check(at: .init(path: path, family: family)) { error in
            from.withUnsafeBytes { first in
                to.withUnsafeBytes { last in
                    grape_approximate_size(
                        handles.database, handles.handle(family), first.chars, first.count, last.chars, last.count,
                        &size,
                        &error)
                }
            }
        }
        return size
    }

    package func statistics() throws(StorageError) -> StorageStatistics {
        try enter()
        defer { leave() }
        var figures = StorageStatistics()
        for family in ColumnFamily.allCases {
            let bytes = property("rocksdb.total-sst-files-size", family)
            figures.familyBytes[family] = bytes
            figures.sstBytes += bytes
            figures.memtableBytes += property("rocksdb.cur-size-all-mem-tables", family)
            figures.pendingCompactionBytes += property("rocksdb.estimate-pending-compaction-bytes", family)
            figures.estimatedKeys += property("rocksdb.estimate-num-keys", family)
        }
        figures.isWriteStopped = property("rocksdb.is-write-stopped", .state) != 0
        figures.walBytes = try (options.fileSystem == nil ? Directory.logNumbers(path) : [])
            .reduce(0) { $0 + Directory.byteCount(path + "/" + Directory.logName($1)) }
        figures.cacheBytes = UInt64(rocksdb_cache_get_usage(handles.settings.cache))
        figures.cachePinnedBytes = UInt64(rocksdb_cache_get_pinned_usage(handles.settings.cache))
        figures.cacheHits = ticker(grape_ticker_cache_hits)
        figures.cacheMisses = ticker(grape_ticker_cache_misses)
        figures.bytesWritten = ticker(grape_ticker_bytes_written)
        figures.bytesRead = ticker(grape_ticker_bytes_read)
        figures.walSyncs = ticker(grape_ticker_log_syncs)
        figures.stallMicroseconds = ticker(grape_ticker_stall_microseconds)
        return figures
    }

    /// Bytes that all memtables hold. Called by somebody who is counted as a user.
    func memtableBytes() -> UInt64 {
        ColumnFamily.allCases.reduce(0) { $0 + property("rocksdb.cur-size-all-mem-tables", $1) }
    }

    private func property(_ name: String, _ family: ColumnFamily) -> UInt64 {
        var value: UInt64 = 0
        return rocksdb_property_int_cf(handles.database, handles.handle(family), name, &value) == 0 ? value : 0
    }

    private func ticker(_ ticker: grape_ticker) -> UInt64 {
        grape_options_ticker(handles.settings.database, ticker)
    }
}
