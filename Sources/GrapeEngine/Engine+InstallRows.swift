import Dispatch
import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging

/// Brings the rows of a generation that was switched to into the indexes, while apply goes on.
///
/// 1. Points of the shard that the indexes have go. Some of them may be of entries behind the switch: their rows are read
///    again below.
/// 2. Rows are read in steps, without holding up anybody. Then, between two turns of apply, those are put that are still
///    as they were read; where an entry changed or deleted one meanwhile, apply has told the indexes itself.
/// 3. The shard is shown, and rows of older generations go.
///
/// Another install of the shard, or its end, ends this one: the generation is not the one that counts any more.
final class InstalledRows: Sendable {
    /// A row as it was read.
    private struct Row: Sendable {
        let key: [UInt8]
        let version: LogIndex
        let vectorBlock: [UInt8]

        var collection: CollectionID { CollectionID(key.span.uint64BigEndian(at: RowKeyPrefix.byteCount - 8)) }
        var id: [UInt8] { Array(key[RowKeyPrefix.byteCount...]) }
    }

    private static let stepRows = 256
    private static let stepBytes = 1 << 20
    private static let pause = DispatchTimeInterval.seconds(1)
    private static let queue = DispatchQueue(label: "grape.install", qos: .utility, attributes: .concurrent)

    private let engine: Engine
    private let shard: ShardID
    private let generation: ReplicaGeneration
    private var group: LogGroup { .shard(shard) }

    init(engine: Engine, shard: ShardID, generation: ReplicaGeneration) {
        self.engine = engine
        self.shard = shard
        self.generation = generation
    }

    /// Runs on a thread of its own. What may pass (no memory, no disk space) is tried again; until then the shard stays
    /// hidden, as it does where its rows are damaged.
    func start() {
        Self.queue.async { [self] in attempt() }
    }

    private func attempt() {
        do throws(ApplyError) {
            try load()
        } catch {
            if case .storage(.closed) = error { return }
            engine.logger.critical(
                "rows that were received are not in the indexes: this node does not answer for their shard",
                metadata: ["shard": "\(shard)", "error": "\(GrapeError(error))"])
            if case .storage(let storage) = error, storage.isDamage { return }
            Self.queue.asyncAfter(deadline: .now() + Self.pause) { [self] in attempt() }
        }
    }

    func run() throws(GrapeError) {
        do throws(ApplyError) {
            try load()
        } catch {
            throw GrapeError(error)
        }
    }

    private func load() throws(ApplyError) {
        // One that begins late must not take away what a later install, or replica, has put.
        engine.removeIndexPoints(of: shard) { step in
            engine.exclusively([group]) { engine.generation(of: group) == generation && step() }
        }
        var next: [UInt8]? = RowKeyPrefix(shard: shard, generation: generation, collection: CollectionID(0)).lowerBound
        while let from = next {
            let applied = engine.appliedIndex(of: group)
            let (rows, rest) = try storing { () throws(StorageError) in try read(from) }
            guard try put(rows, readAt: applied) else { return }
            next = rest
        }
        guard show() else { return }
        engine.builder.wake()
        try storing { () throws(StorageError) in try engine.deleteGenerations(of: shard, below: generation) }
    }

    // MARK: Steps

    /// Some rows from a key on. -> where to go on; nil behind the last.
    private func read(_ from: [UInt8]) throws(StorageError) -> (rows: [Row], next: [UInt8]?) {
        let end = RowKeyPrefix(
            shard: shard, generation: ReplicaGeneration(generation.rawValue + 1), collection: CollectionID(0))
        var cursor = try engine.database.cursor(.vectors, from: from, to: end.lowerBound)
        try cursor.seekToFirst()
        var rows: [Row] = []
        var bytes = 0
        while cursor.isValid {
            let key = cursor.key.copyBytes()
            guard rows.count < Self.stepRows, bytes < Self.stepBytes else { return (rows, key) }
            guard let version = VectorRow.version(of: cursor.value) else {
                throw .damagedRow(path: engine.database.path, family: .vectors, key: key)
            }
            let block = cursor.value.copyBytes(VectorRow.headerBytes..<cursor.value.count)
            rows.append(Row(key: key, version: version, vectorBlock: block))
            bytes += block.count
            try cursor.next()
        }
        return (rows, nil)
    }

    /// Puts the rows that are still as they were read. -> false where the generation does not count any more.
    private func put(_ rows: [Row], readAt applied: LogIndex) throws(ApplyError) -> Bool {
        try engine.exclusively([group]) { () throws(ApplyError) in
            guard engine.generation(of: group) == generation else { return false }
            let isCurrent = engine.appliedIndex(of: group) == applied
            let collections = engine.serving.withLock { $0.collections }
            var changes: [IndexChange] = []
            for row in rows {
                guard let collection = collections[row.collection], !isKnown(row, collection) else { continue }
                let now = isCurrent ? row.version : try storing { () throws(StorageError) in try versionNow(row.key) }
                guard now == row.version else { continue }
                changes.append(
                    .put(
                        row.collection, id: row.id, form: nil, version: row.version, shard: shard,
                        vectorBlock: row.vectorBlock, payload: nil))
            }
            guard !changes.isEmpty else { return true }
            do throws(IndexError) {
                try IndexChange.publish(changes, collections: collections, clock: engine.clock)
            } catch {
                throw .index(error)
            }
            return true
        }
    }

    /// A collection that was announced meanwhile was loaded with all its rows, and apply puts what it changes.
    private func isKnown(_ row: Row, _ collection: Collection) -> Bool {
        let id = row.id
        return collection.indexes.contains { $0.version(ofKey: id.span) == row.version.rawValue }
    }

    private func versionNow(_ key: [UInt8]) throws(StorageError) -> LogIndex? {
        guard let row = try engine.database.read(.vectors, key) else { return nil }
        return VectorRow.version(of: row.bytes)
    }

    private func show() -> Bool {
        engine.exclusively([group]) {
            guard engine.generation(of: group) == generation else { return false }
            engine.show(shard)
            return true
        }
    }

    private func storing<Result>(_ body: () throws(StorageError) -> Result) throws(ApplyError) -> Result {
        do {
            return try body()
        } catch {
            throw .storage(error)
        }
    }
}
