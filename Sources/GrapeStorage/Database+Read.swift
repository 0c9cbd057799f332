import CRocksDB

extension Database {
    package func snapshot() throws(StorageError) -> Snapshot { try Snapshot(self) }

    /// The value, copied; nil if there is none.
    package func get(
        _ family: ColumnFamily, _ key: [UInt8], snapshot: Snapshot? = nil
    ) throws(StorageError) -> [UInt8]? {
        guard let value = try read(family, key.span.bytes, snapshot: snapshot) else { return nil }
        return value.copy()
    }

    package func read(
        _ family: ColumnFamily, _ key: [UInt8], snapshot: Snapshot? = nil
    ) throws(StorageError) -> PinnedValue? {
        try read(family, key.span.bytes, snapshot: snapshot)
    }

    /// The value, not copied; nil if there is none. Throws `.corruption` rather than give out a wrong value.
    package func read(
        _ family: ColumnFamily, _ key: RawSpan, snapshot: Snapshot? = nil
    ) throws(StorageError) -> PinnedValue? {
        try enter()
        let outcome = key.withUnsafeBytes { key -> Result<UnpinnedValue?, StorageError> in
            var text: UnsafeMutablePointer<CChar>?
            let slice = rocksdb_get_pinned_cf(
                handles.database, snapshot?.readOptions ?? handles.readOptions, handles.handle(family), key.chars,
                key.count, &text)
            if let text { return .failure(failure(text, family, key)) }
            guard let slice else { return .success(nil) }
            guard let value = RowChecksum.verified(family, key: key, stored: Self.bytes(of: slice)) else {
                rocksdb_pinnableslice_destroy(slice)
                return .failure(damagedRow(family, key))
            }
            return .success(UnpinnedValue(slice: slice, value: value))
        }
        switch outcome {
        case .success(let found?): return PinnedValue(slice: found.slice, value: found.value, database: self)
        case .success(nil):
            leave()
            return nil
        case .failure(let error):
            leave()
            throw error
        }
    }

    /// The values of many keys, copied, in the order of the keys. A damaged one does not hide the others.
    package func multiGet(
        _ family: ColumnFamily, _ keys: [[UInt8]], snapshot: Snapshot? = nil
    ) throws(StorageError) -> [ReadResult] {
        let values = try multiRead(family, keys, snapshot: snapshot)
        return (0..<values.count).map { values.result($0) }
    }

    /// The values of many keys, not copied.
    package func multiRead(
        _ family: ColumnFamily, _ keys: [[UInt8]], snapshot: Snapshot? = nil
    ) throws(StorageError) -> PinnedValues {
        try enter()
        let bytes = KeyTable(keys)
        var slices = [OpaquePointer?](repeating: nil, count: keys.count)
        var texts = [UnsafeMutablePointer<CChar>?](repeating: nil, count: keys.count)
        rocksdb_batched_multi_get_cf(
            handles.database, snapshot?.readOptions ?? handles.readOptions, handles.handle(family), keys.count,
            bytes.pointers, bytes.counts, &slices, &texts, false)
        var values = [UnsafeRawBufferPointer](repeating: .init(start: nil, count: 0), count: keys.count)
        var statuses = [ReadStatus](repeating: .missing, count: keys.count)
        for index in keys.indices {
            let key = bytes.key(index)
            if let text = texts[index] {
                statuses[index] = .corrupt(failure(text, family, key))
            } else if let slice = slices[index] {
                if let value = RowChecksum.verified(family, key: key, stored: Self.bytes(of: slice)) {
                    values[index] = value
                    statuses[index] = .found
                } else {
                    statuses[index] = .corrupt(damagedRow(family, key))
                }
            }
        }
        return PinnedValues(slices: slices, values: values, statuses: statuses, database: self)
    }

    /// A cursor over [from, to), nil standing for the ends. It stands nowhere until a seek. `fillCache`: whether what
    /// it reads displaces what point reads use.
    package func cursor(
        _ family: ColumnFamily, from: [UInt8]? = nil, to: [UInt8]? = nil, snapshot: Snapshot? = nil,
        fillCache: Bool = false
    ) throws(StorageError) -> Cursor {
        try Cursor(self, family, from: from, to: to, snapshot: snapshot, fillCache: fillCache)
    }

    // MARK: Damage

    func damagedRow(_ family: ColumnFamily, _ key: UnsafeRawBufferPointer) -> StorageError {
        let site = StorageError.Site(path: path, family: family, key: key.lent)
        let file = fileHolding(family, key)
        return tell(.corruption(site, file: file, detail: "the row's checksum does not match"), family, key)
    }

    func failure(
        _ text: UnsafeMutablePointer<CChar>, _ family: ColumnFamily, _ key: UnsafeRawBufferPointer
    ) -> StorageError {
        let site = StorageError.Site(path: path, family: family, key: key.lent)
        let error = StorageError.taking(text, at: site)
        guard case .corruption(_, nil, let detail) = error else { return tell(error, family, key) }
        return tell(.corruption(site, file: fileHolding(family, key), detail: detail), family, key)
    }

    /// The table file whose range covers the key, if exactly one does.
    private func fileHolding(_ family: ColumnFamily, _ key: UnsafeRawBufferPointer) -> String? {
        let files = liveFiles().filter { $0.family == family && $0.covers(key) }
        return files.count == 1 ? files[0].name : nil
    }

    private static func bytes(of slice: OpaquePointer) -> UnsafeRawBufferPointer {
        var count = 0
        let start = rocksdb_pinnableslice_value(slice, &count)
        return UnsafeRawBufferPointer(start: start, count: count)
    }
}

/// Between RocksDB's answer and the owner that frees it.
private struct UnpinnedValue {
    let slice: OpaquePointer
    let value: UnsafeRawBufferPointer
}

/// Many keys as the C API takes them: in one buffer, with a pointer and a count each.
private struct KeyTable: ~Copyable {
    private let storage: UnsafeMutableRawPointer
    private(set) var pointers: [UnsafePointer<CChar>?] = []
    private(set) var counts: [Int] = []

    init(_ keys: [[UInt8]]) {
        let byteCount = keys.reduce(0) { $0 + $1.count }
        storage = UnsafeMutableRawPointer.allocate(byteCount: max(1, byteCount), alignment: 8)
        pointers.reserveCapacity(keys.count)
        counts.reserveCapacity(keys.count)
        var offset = 0
        for key in keys {
            let place = storage + offset
            key.withUnsafeBytes { bytes in
                if let start = bytes.baseAddress { place.copyMemory(from: start, byteCount: bytes.count) }
            }
            pointers.append(UnsafePointer(place.assumingMemoryBound(to: CChar.self)))
            counts.append(key.count)
            offset += key.count
        }
    }

    deinit { storage.deallocate() }

    func key(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: pointers[index], count: counts[index])
    }
}
