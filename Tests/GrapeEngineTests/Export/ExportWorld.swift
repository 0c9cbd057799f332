import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Logging

/// Random histories of shards, and what is needed to carry one from engine to engine.
enum ExportWorld {
    static let cluster = [UInt8](repeating: 0xc1, count: 16)
    static let second = CollectionID(2)
    static let shards = 4

    /// Makes two collections: `c` with one vector, `d` with two.
    static func create(in log: inout TestLog, dimension: Int) {
        log.create(dimension: dimension)
        let vectors = [
            VectorSchema(dimension: dimension, metric: .euclidean),
            VectorSchema(name: "b", dimension: 2, metric: .dotProduct),
        ]
        log.append(.catalog, CatalogCommand.create(name: "d", vectors: vectors).encoded)
        log.append(.catalog, CatalogCommand.created(second).encoded)
    }

    /// An engine over a disk in memory.
    static func open(_ disk: MemoryFileSystem) throws -> Engine {
        var options = StorageOptions()
        options.cacheBytes = 4 << 20
        options.writeBufferBytes = 4 << 20
        options.fileSystem = disk
        let engine = try Engine.open(
            database: Database.open(path: "/memory", options: options), shardCount: shards, indexThreads: 1,
            checkpointIntervalSeconds: 300, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try EngineFixture.found(engine, LogGroup.all(shardCount: shards))
        return engine
    }

    // MARK: Rows

    /// All that a shard's replica says, without the generation under which it lies.
    struct Rows: Equatable {
        var state: GroupState?
        /// Family and key, then the value.
        var rows: [[UInt8]: [UInt8]] = [:]
    }

    static func rows(of shard: ShardID, in engine: Engine, snapshot: Snapshot? = nil) throws -> Rows {
        var found = Rows()
        guard let bytes = try engine.database.get(.state, StateKey.group(.shard(shard)), snapshot: snapshot),
            var state = GroupState(encoded: bytes)
        else { return found }
        let from = RowKeyPrefix(shard: shard, generation: state.generation, collection: CollectionID(0)).lowerBound
        let front = Array(from.prefix(6))
        for family in [ColumnFamily.vectors, .payloads] {
            try each(family, front, engine.database, snapshot) { key, value in
                found.rows[[family == .vectors ? 1 : 2] + key.dropFirst(6)] = value
            }
        }
        for tag in [2, 3, 4, 7, 8] as [UInt8] {
            try each(.state, [tag] + front, engine.database, snapshot) { key, value in
                // Rows of order name another row, generation and all.
                found.rows[[0, tag] + key.dropFirst(7)] = tag == 4 ? Array(value.dropFirst(7)) : value
            }
        }
        state.generation = .first
        found.state = state
        return found
    }

    private static func each(
        _ family: ColumnFamily, _ front: [UInt8], _ database: Database, _ snapshot: Snapshot?,
        _ body: ([UInt8], [UInt8]) -> Void
    ) throws {
        var cursor = try database.cursor(family, from: front, to: front + [0xff, 0xff], snapshot: snapshot)
        try cursor.seekToFirst()
        while cursor.isValid {
            body(cursor.key.copyBytes(), cursor.value.copyBytes())
            try cursor.next()
        }
    }

    /// Generations of a shard that have rows.
    static func generations(of shard: ShardID, in engine: Engine) throws -> Set<UInt32> {
        var found: Set<UInt32> = []
        let front = [UInt8(shard.rawValue >> 8), UInt8(shard.rawValue & 255)]
        for (family, from) in [(ColumnFamily.vectors, front), (.payloads, front)]
            + ([2, 3, 4, 7, 8] as [UInt8]).map({ (ColumnFamily.state, [$0] + front) })
        {
            try each(family, from, engine.database, nil) { key, _ in
                found.insert(key.span.uint32BigEndian(at: from.count))
            }
        }
        return found
    }

    // MARK: Exports

    /// Header and blocks.
    static func export(_ group: LogGroup, of engine: Engine, shardCount: Int = shards) throws -> [[UInt8]] {
        let export = try ShardExport(of: group, cluster: cluster, shardCount: shardCount, database: engine.database)
        defer { export.close() }
        var parts = [export.header.encoded]
        while let block = try export.next() { parts.append(block) }
        return parts
    }

    /// Imports a whole export and switches to it.
    static func install(_ parts: [[UInt8]], in engine: Engine, inBackground: Bool = false) throws {
        var rows = try ShardImport(parts[0], engine: engine)
        for block in parts.dropFirst(1 + rows.held) { try rows.take(block) }
        try switchTo(rows.image(), in: engine)
        let image = try rows.image()
        try engine.adopt(image.group, image.state, catalog: image.catalog, inBackground: inBackground)
    }

    /// The batch by which consensus switches, as far as the engine sees it.
    static func switchTo(_ image: GroupImage, in engine: Engine) throws {
        var batch = try engine.database.makeBatch()
        for key in image.finishedKeys { batch.delete(.state, key: key) }
        batch.put(.state, key: StateKey.group(image.group), value: image.state.encoded)
        image.catalog?.replaceRows(in: &batch)
        try engine.database.write(batch, sync: true)
    }
}

/// Writes of all kinds, drawn from a seed.
struct ExportHistory {
    var log = TestLog()
    private var random: Xoshiro256
    private let dimension: Int
    private var sequence: UInt64 = 0
    private let ids: Int

    init(seed: UInt64, dimension: Int, ids: Int = 400) {
        random = Xoshiro256(seed: seed)
        self.dimension = dimension
        self.ids = ids
        ExportWorld.create(in: &log, dimension: dimension)
    }

    mutating func write(_ count: Int) {
        for _ in 0..<count { write() }
    }

    private mutating func write() {
        sequence += 1
        let collection = random.below(3) == 0 ? ExportWorld.second : EngineFixture.collection
        let id = id()
        let shard = ShardHash.shard(of: id.id.encoded, in: collection, count: ExportWorld.shards)
        let origin = WriteOrigin(
            incarnation: UInt64(random.within(1...3)), sequence: sequence,
            lowestOpen: sequence - min(sequence, UInt64(random.below(50))))
        let command: ShardCommand
        switch random.below(8) {
        case 0: command = .delete(collection, [id.id])
        case 1:
            log.append(LogEntry(origin, .piece(number: 0, count: 3, bytes: [UInt8(random.below(256))])), shard)
            return
        default:
            var block: [UInt8] = []
            VectorBlock.encode(vectors(collection), into: &block)
            let json = "{\"n\":\(sequence),\"text\":\"\(String(repeating: "ab", count: random.below(40)))\"}"
            let payload = Payload(uncheckedJSON: Array(json.utf8))
            command = .upsert(collection, [PointWrite(id: id, vectorBlock: block, payload: payload)])
        }
        let key = random.below(4) == 0 ? Array("key-\(random.below(60))-\(shard.rawValue)".utf8) : []
        log.append(
            LogEntry(catalogVersion: CatalogVersion(4), origin: origin, idempotencyKey: key, command: command), shard)
    }

    private mutating func vectors(_ collection: CollectionID) -> [PositionedVector] {
        var vectors = [PositionedVector(position: 0, values: values(dimension))]
        guard collection == ExportWorld.second else { return vectors }
        vectors.append(PositionedVector(position: 1, values: values(2)))
        if random.below(3) == 0 { vectors.remove(at: random.below(2)) }
        return vectors
    }

    private mutating func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float(random.below(2_000_001)) / 1_000_000 - 1 }
    }

    /// Numbers, texts, and spellings of either.
    private mutating func id() -> WrittenID {
        let number = random.below(ids)
        switch number % 4 {
        case 0: return WrittenID(number: UInt64(number))
        case 1: return WrittenID(id: .integer(UInt64(number)), form: .text)
        case 2: return WrittenID(id: PointID(canonical: Array("text \(number)".utf8)), form: .text)
        default:
            let id = PointID(canonical: Array("a8098c1a-f86e-11da-bd1a-\(100_000_000_000 + number)".utf8))
            return WrittenID(id: id, form: .spelling("{A8098C1A-F86E-11DA-BD1A-\(100_000_000_000 + number)}"))
        }
    }
}
