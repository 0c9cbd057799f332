import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Logging

/// Engines for tests, over directories that end with the test, holding every group unless told otherwise.
enum EngineFixture {
    static let collection = CollectionID(1)

    static func open(
        _ path: String, shards: Int = 4, lanes: Int = 1, held: [LogGroup]? = nil, sparesDamaged: Bool = false
    ) throws -> Engine {
        var options = StorageOptions()
        options.cacheBytes = 4 << 20
        options.writeBufferBytes = 1 << 20
        let engine = try Engine.open(
            database: Database.open(path: path, options: options), shardCount: shards, lanes: lanes, indexThreads: 1,
            checkpointIntervalSeconds: 300, sparesDamaged: sparesDamaged,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try found(engine, held ?? LogGroup.all(shardCount: shards))
        return engine
    }

    /// Begins replicas of groups that have none yet.
    static func found(_ engine: Engine, _ groups: [LogGroup], epoch: ShardEpoch = .first) throws {
        var states: [LogGroup: GroupState] = [:]
        var batch = try engine.database.makeBatch()
        for group in groups {
            guard try engine.database.get(.state, StateKey.group(group)) == nil else { continue }
            var state = try engine.newGroupState(group, applied: LogIndex(0), term: 0, configuration: [])
            state.epoch = epoch
            batch.put(.state, key: StateKey.group(group), value: state.encoded)
            states[group] = state
        }
        try engine.database.write(batch)
        engine.hold(states)
    }

    static func close(_ engine: Engine) throws {
        try engine.builder.stop()
        try engine.database.close()
    }

    static func digests(_ engine: Engine) throws -> [RowDigest] {
        try (0..<engine.shardCount).map { try engine.digest(ShardID(UInt16($0)), collection) }
    }

    /// Rows in the family `state` that begin with a byte.
    static func stateRows(_ engine: Engine, tag: UInt8) throws -> Int {
        var cursor = try engine.database.cursor(.state, from: [tag], to: [tag + 1])
        try cursor.seekToFirst()
        var count = 0
        while cursor.isValid {
            count += 1
            try cursor.next()
        }
        return count
    }
}

/// Entries with their places in the logs of their groups.
struct TestLog {
    private(set) var entries: [CommittedEntry] = []
    private var next: [LogGroup: LogIndex] = [:]

    mutating func append(_ group: LogGroup, _ bytes: [UInt8]) {
        let index = next[group] ?? LogIndex(1)
        next[group] = index.next
        entries.append(CommittedEntry(group: group, index: index, term: 1, content: .command(bytes)))
    }

    mutating func append(_ entry: LogEntry, _ shard: ShardID) { append(.shard(shard), entry.encoded) }

    /// Makes the collection with one vector of this dimension.
    mutating func create(dimension: Int) {
        let vectors = [VectorSchema(dimension: dimension, metric: .euclidean)]
        append(.catalog, CatalogCommand.create(name: "c", vectors: vectors).encoded)
        append(.catalog, CatalogCommand.created(EngineFixture.collection).encoded)
    }

    /// Entries since the last call.
    mutating func take() -> [CommittedEntry] {
        defer { entries = [] }
        return entries
    }
}

extension ShardCommand {
    /// Writes one point.
    static func put(_ id: UInt64, _ values: [Float]) -> ShardCommand {
        var block: [UInt8] = []
        VectorBlock.encode([PositionedVector(position: 0, values: values)], into: &block)
        return .upsert(
            EngineFixture.collection, [PointWrite(id: WrittenID(number: id), vectorBlock: block, payload: .empty)])
    }

    static func remove(_ id: UInt64) -> ShardCommand { .delete(EngineFixture.collection, [.integer(id)]) }
}

extension LogEntry {
    init(_ origin: WriteOrigin, _ command: ShardCommand) {
        self.init(catalogVersion: CatalogVersion(2), origin: origin, command: command)
    }
}

func shardOf(_ id: UInt64, _ count: Int) -> ShardID {
    ShardHash.shard(of: PointID.integer(id).encoded, in: EngineFixture.collection, count: count)
}
