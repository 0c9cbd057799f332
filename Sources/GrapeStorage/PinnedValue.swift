import CRocksDB

/// A checked value, in RocksDB's own memory until this is freed: a read without a copy.
///
/// It keeps the block that holds it in the cache and counts as a user of the database: use it and let it go.
package struct PinnedValue: ~Copyable, @unchecked Sendable {
    private let slice: OpaquePointer
    private let value: UnsafeRawBufferPointer
    private let database: Database

    /// Takes over one entered user of `database`, and `slice`.
    init(slice: OpaquePointer, value: UnsafeRawBufferPointer, database: Database) {
        self.slice = slice
        self.value = value
        self.database = database
    }

    deinit {
        rocksdb_pinnableslice_destroy(slice)
        database.leave()
    }

    package var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get { unsafe _overrideLifetime(value.lent, borrowing: self) }
    }

    package func copy() -> [UInt8] { [UInt8](value) }
}

/// What one key of many gave.
package enum ReadStatus: Sendable, Equatable {
    case found, missing
    case corrupt(StorageError)
}

/// What one key of many gave, copied.
package enum ReadResult: Sendable, Equatable {
    case value([UInt8])
    case missing
    case corrupt(StorageError)
}

/// The values of many keys, in the order asked for, in RocksDB's own memory until this is freed.
package struct PinnedValues: ~Copyable, @unchecked Sendable {
    private let slices: [OpaquePointer?]
    private let values: [UnsafeRawBufferPointer]
    private let statuses: [ReadStatus]
    private let database: Database

    /// Takes over one entered user of `database`, and the slices.
    init(
        slices: [OpaquePointer?], values: [UnsafeRawBufferPointer], statuses: [ReadStatus], database: Database
    ) {
        precondition(slices.count == values.count && values.count == statuses.count, "one of each for every key")
        self.slices = slices
        self.values = values
        self.statuses = statuses
        self.database = database
    }

    deinit {
        for slice in slices {
            if let slice { rocksdb_pinnableslice_destroy(slice) }
        }
        database.leave()
    }

    package var count: Int { statuses.count }

    package func status(_ index: Int) -> ReadStatus { statuses[index] }

    /// Empty unless the status is `.found`.
    @_lifetime(borrow self)
    package borrowing func bytes(_ index: Int) -> Span<UInt8> {
        unsafe _overrideLifetime(values[index].lent, borrowing: self)
    }

    package func result(_ index: Int) -> ReadResult {
        switch statuses[index] {
        case .found: .value([UInt8](values[index]))
        case .missing: .missing
        case .corrupt(let error): .corrupt(error)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes as a span whose lifetime the caller must tie to their owner.
    var lent: Span<UInt8> {
        @_lifetime(borrow self)
        get { unsafe _overrideLifetime(RawSpan(_unsafeBytes: self), borrowing: self)._unsafeView(as: UInt8.self) }
    }
}
