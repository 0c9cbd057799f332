import CRocksDB

/// Changes that are written together or not at all, in the order in which they were added.
///
/// Every value gets its checksum here, over the parts as they come in, before RocksDB sees it.
///
/// Ownership: made by `Database.makeBatch`, owned by one place at a time, reusable after `clear`. It counts as a user
/// of the database: `close` waits for it.
package struct WriteBatch: ~Copyable, @unchecked Sendable {
    let batch: OpaquePointer
    let database: Database

    init(_ database: Database) throws(StorageError) {
        try database.enter()
        self.database = database
        batch = rocksdb_writebatch_create()
    }

    deinit {
        rocksdb_writebatch_destroy(batch)
        database.leave()
    }

    /// Operations in the batch; a range deletion is one.
    package var count: Int { Int(rocksdb_writebatch_count(batch)) }
    package var isEmpty: Bool { count == 0 }

    /// Bytes that the write-ahead log will take.
    package var byteSize: Int {
        var size = 0
        _ = rocksdb_writebatch_data(batch, &size)
        return size
    }

    package mutating func put(_ family: ColumnFamily, key: [UInt8], value: [UInt8]) {
        key.withUnsafeBytes { key in value.withUnsafeBytes { put(family, key, $0, .init(start: nil, count: 0)) } }
    }

    package mutating func put(_ family: ColumnFamily, key: RawSpan, value: RawSpan) {
        key.withUnsafeBytes { key in value.withUnsafeBytes { put(family, key, $0, .init(start: nil, count: 0)) } }
    }

    /// The value is `header` followed by `body`, without concatenating them first.
    package mutating func put(_ family: ColumnFamily, key: RawSpan, header: RawSpan, body: RawSpan) {
        key.withUnsafeBytes { key in
            header.withUnsafeBytes { header in body.withUnsafeBytes { put(family, key, header, $0) } }
        }
    }

    package mutating func delete(_ family: ColumnFamily, key: [UInt8]) { delete(family, key: key.span.bytes) }

    package mutating func delete(_ family: ColumnFamily, key: RawSpan) {
        key.withUnsafeBytes {
            rocksdb_writebatch_delete_cf(batch, database.handles.handle(family), $0.chars, $0.count)
        }
    }

    /// Deletes the keys in [from, to).
    package mutating func deleteRange(_ family: ColumnFamily, from: [UInt8], to: [UInt8]) {
        let handle = database.handles.handle(family)
        from.withUnsafeBytes { from in
            to.withUnsafeBytes { to in
                rocksdb_writebatch_delete_range_cf(batch, handle, from.chars, from.count, to.chars, to.count)
            }
        }
    }

    package mutating func clear() { rocksdb_writebatch_clear(batch) }

    private func put(
        _ family: ColumnFamily, _ key: UnsafeRawBufferPointer, _ header: UnsafeRawBufferPointer,
        _ body: UnsafeRawBufferPointer
    ) {
        let sum = RowChecksum.of(family, key: key, header: header, body: body)
        grape_batch_put(
            batch, database.handles.handle(family), key.baseAddress, key.count, header.baseAddress, header.count,
            body.baseAddress, body.count, sum)
    }
}

extension UnsafeRawBufferPointer {
    /// As RocksDB's C API takes bytes.
    var chars: UnsafePointer<CChar>? { baseAddress?.assumingMemoryBound(to: CChar.self) }
}
