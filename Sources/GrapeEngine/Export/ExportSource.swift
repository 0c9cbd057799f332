import GrapeModel
import GrapeStorage

/// Walks the rows of a group in the order of an export, through one snapshot of the database. Its cursors also keep rows
/// readable whose files are given free meanwhile; one that is made later than that misses them, and the sums tell.
struct ExportSource: ~Copyable, Sendable {
    /// A record's place: what is walked, and the key that it begins with.
    struct Position: Sendable {
        var part: Int
        var key: [UInt8]
    }

    private enum Part: Sendable {
        case points
        case rows(ExportedRow.Kind)
    }

    private let database: Database
    private let snapshot: Snapshot
    private let group: LogGroup
    private let generation: ReplicaGeneration
    private let parts: [Part]
    private var part = 0
    /// Of points the small rows, else all there is. Invariant: stands on a row unless all parts are behind.
    private var rows: Cursor
    /// Of points the rows of their vectors; elsewhere nothing.
    private var vectors: Cursor

    private init(
        _ group: LogGroup, _ generation: ReplicaGeneration, _ snapshot: Snapshot, _ database: Database,
        rows: consuming Cursor, vectors: consuming Cursor
    ) {
        self.database = database
        self.snapshot = snapshot
        self.group = group
        self.generation = generation
        self.rows = rows
        self.vectors = vectors
        switch group {
        case .catalog: parts = [.rows(.catalog)]
        case .shard:
            parts = [.points, .rows(.remembered), .rows(.rememberedOrder), .rows(.origins), .rows(.piece)]
        }
    }

    /// Stands on the first record.
    static func open(
        _ group: LogGroup, _ generation: ReplicaGeneration, _ snapshot: Snapshot, _ database: Database
    ) throws(StorageError) -> ExportSource {
        var source = ExportSource(
            group, generation, snapshot, database,
            rows: try database.cursor(.state, from: [], to: [], snapshot: snapshot),
            vectors: try database.cursor(.state, from: [], to: [], snapshot: snapshot))
        try source.enter(0, at: nil)
        return source
    }

    /// Where the record that `read` gives begins; nil behind the last.
    var position: Position? {
        part < parts.count ? Position(part: part, key: rows.key.copyBytes()) : nil
    }

    mutating func seek(_ position: Position) throws(ExportError) {
        do throws(StorageError) {
            try enter(position.part, at: position.key)
        } catch {
            throw .storage(error)
        }
    }

    func read() throws(ExportError) -> ExportRecord? {
        guard part < parts.count else { return nil }
        do throws(StorageError) {
            switch parts[part] {
            case .points: return .point(try point())
            case .rows(let kind): return .row(try row(kind))
            }
        } catch {
            throw .storage(error)
        }
    }

    mutating func advance() throws(ExportError) {
        do throws(StorageError) {
            try rows.next()
            if case .points = parts[part] { try vectors.next() }
            if !rows.isValid { try enter(part + 1, at: nil) }
        } catch {
            throw .storage(error)
        }
    }

    // MARK: Parts

    /// Stands on the first row of a part, or from a key on; where it has none, on the next part's.
    private mutating func enter(_ first: Int, at key: [UInt8]?) throws(StorageError) {
        part = first
        var key = key
        while part < parts.count {
            let (family, from, to) = range(parts[part])
            rows = try database.cursor(family, from: from, to: to, snapshot: snapshot)
            try rows.seek(key ?? from)
            if case .points = parts[part] {
                vectors = try database.cursor(.vectors, from: from, to: to, snapshot: snapshot)
                try vectors.seek(key ?? from)
            }
            if rows.isValid { return }
            part += 1
            key = nil
        }
    }

    private func range(_ part: Part) -> (ColumnFamily, from: [UInt8], to: [UInt8]) {
        guard case .shard(let shard) = group else { return (.catalog, [], [0xff]) }
        switch part {
        case .points:
            let next = ReplicaGeneration(generation.rawValue + 1)
            let from = RowKeyPrefix(shard: shard, generation: generation, collection: CollectionID(0)).lowerBound
            let to = RowKeyPrefix(shard: shard, generation: next, collection: CollectionID(0)).lowerBound
            return (.payloads, from, to)
        case .rows(let kind):
            let (from, to) = StateKey.rows(kind, shard, generation)
            return (.state, from, to)
        }
    }

    // MARK: Records

    private func point() throws(StorageError) -> ExportedPoint {
        let key = rows.key.copyBytes()
        guard key.count > RowKeyPrefix.byteCount, vectors.isValid, vectors.key.copyBytes() == key,
            vectors.value.count >= VectorRow.headerBytes, let row = PointRow(encoded: rows.value.copyBytes())
        else { throw .damagedRow(path: database.path, family: .payloads, key: key) }
        return ExportedPoint(
            collection: CollectionID(key.span.uint64BigEndian(at: RowKeyPrefix.byteCount - 8)),
            id: Array(key[RowKeyPrefix.byteCount...]), row: row,
            vectorBlock: vectors.value.copyBytes(VectorRow.headerBytes..<vectors.value.count))
    }

    private func row(_ kind: ExportedRow.Kind) throws(StorageError) -> ExportedRow {
        let (key, value) = (rows.key.copyBytes(), rows.value.copyBytes())
        switch kind {
        case .catalog: return ExportedRow(kind: kind, key: key, value: value)
        case .remembered, .origins, .piece:
            return ExportedRow(kind: kind, key: Array(key[Self.stateFrontBytes...]), value: value)
        case .rememberedOrder:
            // The value is the key of another row, generation and all.
            guard value.count >= Self.stateFrontBytes, value[0] == ExportedRow.Kind.remembered.rawValue else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            return ExportedRow(
                kind: kind, key: Array(key[Self.stateFrontBytes...]), value: Array(value[Self.stateFrontBytes...]))
        }
    }

    /// Tag, shard and generation.
    private static let stateFrontBytes = 7
}
