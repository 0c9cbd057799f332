import GrapeEngine
import GrapeModel
import GrapeTestKit
import Testing

/// Apply is a function of the log: however entries are cut into turns, and however often the store is closed between,
/// rows and digests come out equal.
@Suite struct ApplyTests {
    private static let shards = 4
    private static let collection = CollectionID(1)

    private func open(_ path: String) throws -> Engine { try EngineFixture.open(path, shards: Self.shards) }

    private func close(_ engine: Engine) throws { try EngineFixture.close(engine) }

    /// A log in which points are written, written again and removed, under idempotency keys now and then, with a
    /// collection made before.
    private func randomLog(_ random: inout Xoshiro256, length: Int) -> [CommittedEntry] {
        var next: [LogGroup: LogIndex] = [:]
        func entry(_ group: LogGroup, _ bytes: [UInt8]) -> CommittedEntry {
            let index = next[group] ?? LogIndex(1)
            next[group] = index.next
            return CommittedEntry(group: group, index: index, term: 0, content: .command(bytes))
        }
        let vectors = [VectorSchema(dimension: 2, metric: .euclidean)]
        var log = [
            entry(.catalog, CatalogCommand.create(name: "c", vectors: vectors).encoded),
            entry(.catalog, CatalogCommand.created(Self.collection).encoded),
        ]
        for _ in 0..<length {
            let id = WrittenID(number: .random(in: 0..<60, using: &random))
            let shard = ShardHash.shard(of: id.id.encoded, in: Self.collection, count: Self.shards)
            let key = Int.random(in: 0..<4, using: &random) == 0 ? [UInt8.random(in: 0..<20, using: &random)] : []
            var block: [UInt8] = []
            VectorBlock.encode(
                [PositionedVector(position: 0, values: [.random(in: 0...1, using: &random), 1])], into: &block)
            let command: ShardCommand =
                Int.random(in: 0..<3, using: &random) == 0
                ? .delete(Self.collection, [id.id, .integer(7)])
                : .upsert(Self.collection, [PointWrite(id: id, vectorBlock: block, payload: .empty)])
            let write = LogEntry(catalogVersion: CatalogVersion(2), idempotencyKey: key, command: command)
            log.append(entry(.shard(shard), write.encoded))
        }
        return log
    }

    private func digests(_ engine: Engine) throws -> [RowDigest] {
        try (0..<Self.shards).map { try engine.digest(ShardID(UInt16($0)), Self.collection) }
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `Turns of any length and restarts between them give the same digests and outcomes`(seed: UInt64) throws {
        var random = Xoshiro256(seed: seed)
        let log = randomLog(&random, length: 400)
        let (single, runs) = (try TemporaryDirectory(), try TemporaryDirectory())
        let one = try open(single.path)
        var expected: [ApplyOutcome] = []
        for entry in log { expected += try one.apply([entry]) }
        var many = try open(runs.path)
        var outcomes: [ApplyOutcome] = []
        var rest = log[...]
        while !rest.isEmpty {
            let run = Array(rest.prefix(Int.random(in: 1...50, using: &random)))
            rest = rest.dropFirst(run.count)
            outcomes += try many.apply(run)
            if Int.random(in: 0..<5, using: &random) == 0 {
                try close(many)
                many = try open(runs.path)
            }
        }
        #expect(outcomes == expected)
        #expect(try digests(many) == digests(one))
        #expect(try many.pointCount(Self.collection) == one.collections[0].indexes[0].counts.live)
        try close(one)
        try close(many)
    }

    @Test func `The digest of an emptied shard is that of an empty one`() throws {
        let directory = try TemporaryDirectory()
        let engine = try open(directory.path)
        var random = Xoshiro256(seed: 9)
        var log = randomLog(&random, length: 200)
        let ids = (0..<60).map { PointID.integer($0) }
        for shard in (0..<Self.shards).map({ ShardID(UInt16($0)) }) {
            let last = log.last { $0.group == .shard(shard) }?.index ?? LogIndex(0)
            let write = LogEntry(catalogVersion: CatalogVersion(2), command: .delete(Self.collection, ids))
            log.append(
                CommittedEntry(group: .shard(shard), index: last.next, term: 0, content: .command(write.encoded)))
        }
        _ = try engine.apply(log)
        #expect(try digests(engine).allSatisfy { $0 == RowDigest() })
        try close(engine)
    }

    @Test func `A gap in the log and an entry of an unknown kind stop apply, and nothing of the turn is kept`() throws {
        let directory = try TemporaryDirectory()
        let engine = try open(directory.path)
        var random = Xoshiro256(seed: 3)
        let log = randomLog(&random, length: 20)
        _ = try engine.apply(Array(log.prefix(10)))
        let before = try digests(engine)
        let group = LogGroup.shard(ShardID(0))
        let gap = CommittedEntry(group: group, index: LogIndex(1_000), term: 0, content: log[10].content)
        #expect(throws: ApplyError.self) { try engine.apply([log[10], gap]) }
        let unknown = CommittedEntry(
            group: group, index: engine.appliedIndex(of: group).next, term: 0, content: .command([1, 99]))
        #expect(throws: ApplyError.self) { try engine.apply([unknown]) }
        #expect(try digests(engine) == before)
        _ = try engine.apply(Array(log.dropFirst(10)))
        try close(engine)
    }

    @Test func `A write resolved before a fence is refused and changes nothing`() throws {
        let directory = try TemporaryDirectory()
        let engine = try open(directory.path)
        var random = Xoshiro256(seed: 4)
        let log = randomLog(&random, length: 1)
        let group = log[2].group
        let fence = LogEntry(
            catalogVersion: CatalogVersion(3), command: .fence(CatalogVersion(3), dropping: nil))
        let late = CommittedEntry(group: group, index: LogIndex(2), term: 0, content: log[2].content)
        let outcomes = try engine.apply([
            log[0], log[1], CommittedEntry(group: group, index: LogIndex(1), term: 0, content: .command(fence.encoded)),
            late,
        ])
        #expect(outcomes.suffix(2) == [.fenced, .staleCatalog(CatalogVersion(3))])
        #expect(try engine.pointCount(Self.collection) == 0)
        try close(engine)
    }
}
