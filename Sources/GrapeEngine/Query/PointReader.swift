import GrapeModel
import GrapeStorage

/// Reads points' rows, so that what comes from the two families belongs together.
struct PointReader {
    let database: Database

    /// The row in `payloads`; nil where there is no such point.
    func row(_ key: [UInt8], snapshot: Snapshot? = nil) throws(StorageError) -> PointRow? {
        guard let bytes = try database.get(.payloads, key, snapshot: snapshot) else { return nil }
        guard let row = PointRow(encoded: bytes) else {
            throw .damagedRow(path: database.path, family: .payloads, key: key)
        }
        return row
    }

    /// The rows of many points, in their order; nil where there is no such point.
    func rows(_ keys: [[UInt8]]) throws(StorageError) -> [PointRow?] {
        let values = try database.multiRead(.payloads, keys)
        var rows: [PointRow?] = []
        rows.reserveCapacity(keys.count)
        for (place, key) in keys.enumerated() { rows.append(try row(values, place, key: key)) }
        return rows
    }

    /// One of many rows that were read from `payloads`; nil where there is no such point.
    func row(_ values: borrowing PinnedValues, _ place: Int, key: [UInt8]) throws(StorageError) -> PointRow? {
        switch values.status(place) {
        case .missing: return nil
        case .corrupt(let error): throw error
        case .found:
            guard let row = PointRow(encoded: values.bytes(place)) else {
                throw .damagedRow(path: database.path, family: .payloads, key: key)
            }
            return row
        }
    }

    /// A point's row and its vectors as of one moment. A write between the two reads shows in the versions; then both
    /// are read again from a snapshot.
    func point(_ key: [UInt8]) throws(StorageError) -> (row: PointRow, vectors: [PositionedVector])? {
        if let row = try row(key), let vectors = try vectors(key, version: row.vectorVersion) {
            return (row, vectors)
        }
        let snapshot = try database.snapshot()
        guard let row = try row(key, snapshot: snapshot) else { return nil }
        guard let vectors = try vectors(key, version: row.vectorVersion, snapshot: snapshot) else {
            throw .damagedRow(path: database.path, family: .vectors, key: key)
        }
        return (row, vectors)
    }

    /// The vectors under this key if they are of this version.
    private func vectors(
        _ key: [UInt8], version: LogIndex, snapshot: Snapshot? = nil
    ) throws(StorageError) -> [PositionedVector]? {
        guard let value = try database.read(.vectors, key, snapshot: snapshot) else { return nil }
        let bytes = value.bytes
        guard let found = VectorRow.version(of: bytes), let vectors = VectorRow.vectors(of: bytes) else {
            throw .damagedRow(path: database.path, family: .vectors, key: key)
        }
        return found == version ? vectors : nil
    }
}
