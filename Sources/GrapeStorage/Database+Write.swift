import CRocksDB
import CRocksDBExtras

extension Database {
    package func makeBatch() throws(StorageError) -> WriteBatch { try WriteBatch(self) }

    /// Applies the batch. With `sync` it is on disk when this returns; without, it is visible, and on disk after the
    /// next `syncLog` or write with `sync`.
    ///
    /// After `.noSpace` or `.stopped` nothing of the batch was applied nor will be, also not after a crash. After `.io`
    /// its fate is unknown.
    package func write(_ batch: borrowing WriteBatch, sync: Bool = false) throws(StorageError) {
        precondition(batch.database === self, "the batch was made by another database")
        try enter()
        defer { leave() }
        try refuseWithoutRoom(for: batch.byteSize)
        let before = rocksdb_get_latest_sequence_number(handles.database)
        let options = handles.writeOptions(sync: sync && self.options.syncWrites)
        do throws(StorageError) {
            try StorageError.check(at: .init(path: path)) { rocksdb_write(handles.database, options, batch.batch, &$0) }
        } catch {
            throw noting(error)
        }
        // Its own last number is at least this, and a sync covers all that was written before it.
        if sync && self.options.syncWrites { syncMark?.advance(to: before + UInt64(batch.count)) }
    }

    /// Whether a sync waits for the disk.
    package var syncsWrites: Bool { options.syncWrites }

    /// Brings every earlier write to the disk. Writers are not held up while it waits. `always`: also where the options
    /// say that nothing waits for the disk.
    package func syncLog(always: Bool = false) throws(StorageError) {
        try enter()
        defer { leave() }
        try syncLogWhileEntered(always: always)
    }

    func syncLogWhileEntered(always: Bool = false) throws(StorageError) {
        let waits = always || options.syncWrites
        let written = rocksdb_get_latest_sequence_number(handles.database)
        do throws(StorageError) {
            try StorageError.check(at: .init(path: path)) {
                rocksdb_flush_wal(handles.database, waits ? 1 : 0, &$0)
            }
        } catch {
            throw noting(error)
        }
        if waits { syncMark?.advance(to: written) }
    }

    /// Deletes the keys in [from, to) and, at once, the table files that hold nothing else: for what is dropped as a
    /// whole (a collection, an old generation, a log's beginning), also on a full disk where no compaction may run.
    /// A snapshot taken before may miss these rows.
    package func dropRange(_ family: ColumnFamily, from: [UInt8], to: [UInt8], sync: Bool = false) throws(StorageError)
    {
        try deleteRange(family, from: from, to: to, sync: sync)
        try enter()
        defer { leave() }
        try StorageError.check(at: .init(path: path, family: family)) { error in
            from.withUnsafeBytes { from in
                to.withUnsafeBytes { to in
                    grape_delete_files(
                        handles.database, handles.handle(family), from.chars, from.count, to.chars, to.count, &error)
                }
            }
        }
    }

    /// Deletes the keys in [from, to).
    package func deleteRange(
        _ family: ColumnFamily, from: [UInt8], to: [UInt8], sync: Bool = false
    ) throws(StorageError) {
        var batch = try makeBatch()
        batch.deleteRange(family, from: from, to: to)
        try write(batch, sync: sync)
    }

    /// A write that meets the end of the disk inside RocksDB waits there, and every other write behind it: so it had
    /// better not begin. It takes its bytes twice, in the log and in a table file, and what the memtables hold needs
    /// room in table files first. Another process may still take the space meanwhile.
    private func refuseWithoutRoom(for byteCount: Int) throws(StorageError) {
        guard let free = try? space.freeBytes() else { return }
        let needed = 2 * UInt64(byteCount) + Self.logSlackBytes
        if !isWaitingForSpace {
            if free >= needed + space.unflushedBytes { return space.noteWrite(UInt64(byteCount)) }
            // The estimate only grows between checks.
            space.noteUnflushed(memtableBytes())
            if free >= needed + space.unflushedBytes { return space.noteWrite(UInt64(byteCount)) }
        }
        throw noting(.noSpace(.init(path: path), detail: "\(free) bytes are free, the write takes \(byteCount)"))
    }

    /// For the framing of log records, a new log file's first block, and the MANIFEST.
    private static let logSlackBytes: UInt64 = 256 << 10

    /// A full disk shows in `spaceState` at once, not at the next check.
    private func noting(_ error: StorageError) -> StorageError {
        if error.isNoSpace { space.writeFailedForSpace() }
        return error
    }
}
