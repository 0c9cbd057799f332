import CRocksDB

/// Walks the rows of one family in key order, checking each value's checksum as it lands on it.
///
/// A fresh cursor stands nowhere. A damaged row throws `.corruption`; the cursor then stands on it, with an empty
/// value, and `next` or `previous` steps over it. Damage that RocksDB itself finds in a block ends the walk
/// (`isValid` is false): seek beyond it to go on.
///
/// Thread safety: one thread at a time. It sees the database as it was when it was made, or as the snapshot was, and
/// counts as a user of the database until freed.
package struct Cursor: ~Copyable, @unchecked Sendable {
    private let iterator: OpaquePointer
    private let readOptions: OpaquePointer
    private let lower: OwnedBytes?
    private let upper: OwnedBytes?
    private let database: Database
    private let snapshot: Snapshot?
    private let family: ColumnFamily
    private var currentKey = UnsafeRawBufferPointer(start: nil, count: 0)
    private var currentValue = UnsafeRawBufferPointer(start: nil, count: 0)
    package private(set) var isValid = false

    init(
        _ database: Database, _ family: ColumnFamily, from: [UInt8]?, to: [UInt8]?, snapshot: Snapshot?,
        fillCache: Bool
    ) throws(StorageError) {
        try database.enter()
        self.database = database
        self.family = family
        self.snapshot = snapshot
        lower = from.map(OwnedBytes.init)
        upper = to.map(OwnedBytes.init)
        readOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_fill_cache(readOptions, fillCache ? 1 : 0)
        if let snapshot { rocksdb_readoptions_set_snapshot(readOptions, snapshot.snapshot) }
        // RocksDB keeps the pointers: the bounds live as long as the iterator.
        if let lower { rocksdb_readoptions_set_iterate_lower_bound(readOptions, lower.bytes.chars, lower.bytes.count) }
        if let upper { rocksdb_readoptions_set_iterate_upper_bound(readOptions, upper.bytes.chars, upper.bytes.count) }
        iterator = rocksdb_create_iterator_cf(database.handles.database, readOptions, database.handles.handle(family))
    }

    deinit {
        rocksdb_iter_destroy(iterator)
        rocksdb_readoptions_destroy(readOptions)
        database.leave()
    }

    /// Valid until the cursor moves.
    package var key: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            precondition(isValid, "the cursor stands on no row")
            return unsafe _overrideLifetime(currentKey.lent, borrowing: self)
        }
    }

    /// Valid until the cursor moves.
    package var value: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            precondition(isValid, "the cursor stands on no row")
            return unsafe _overrideLifetime(currentValue.lent, borrowing: self)
        }
    }

    package mutating func seekToFirst() throws(StorageError) {
        rocksdb_iter_seek_to_first(iterator)
        try land()
    }

    package mutating func seekToLast() throws(StorageError) {
        rocksdb_iter_seek_to_last(iterator)
        try land()
    }

    /// To the first key that is not before `key`.
    package mutating func seek(_ key: [UInt8]) throws(StorageError) {
        key.withUnsafeBytes { rocksdb_iter_seek(iterator, $0.chars, $0.count) }
        try land()
    }

    /// To the last key that is not after `key`.
    package mutating func seekForPrev(_ key: [UInt8]) throws(StorageError) {
        key.withUnsafeBytes { rocksdb_iter_seek_for_prev(iterator, $0.chars, $0.count) }
        try land()
    }

    package mutating func next() throws(StorageError) {
        precondition(isValid, "the cursor stands on no row")
        rocksdb_iter_next(iterator)
        try land()
    }

    package mutating func previous() throws(StorageError) {
        precondition(isValid, "the cursor stands on no row")
        rocksdb_iter_prev(iterator)
        try land()
    }

    private mutating func land() throws(StorageError) {
        isValid = rocksdb_iter_valid(iterator) != 0
        guard isValid else {
            var text: UnsafeMutablePointer<CChar>?
            rocksdb_iter_get_error(iterator, &text)
            if let text { throw .taking(text, at: .init(path: database.path, family: family)) }
            return
        }
        var count = 0
        let key = rocksdb_iter_key(iterator, &count)
        currentKey = UnsafeRawBufferPointer(start: key, count: count)
        let stored = rocksdb_iter_value(iterator, &count)
        let verified = RowChecksum.verified(
            family, key: currentKey, stored: UnsafeRawBufferPointer(start: stored, count: count))
        currentValue = verified ?? UnsafeRawBufferPointer(start: nil, count: 0)
        if verified == nil { throw database.damagedRow(family, currentKey) }
    }
}

/// Bytes at an address that does not change.
private final class OwnedBytes {
    let bytes: UnsafeRawBufferPointer

    init(_ source: [UInt8]) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, source.count), alignment: 1)
        copy.copyBytes(from: source)
        bytes = UnsafeRawBufferPointer(rebasing: copy[0..<source.count])
    }

    deinit { bytes.deallocate() }
}
