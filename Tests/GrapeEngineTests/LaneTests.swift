import Dispatch
import Glibc
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Synchronization
import Testing

/// Lanes side by side come to what one after another does.
@Suite struct LaneTests {
    private static let shards = 8
    private static let lanes = 4

    @Test func `Groups are spread over the lanes`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: Self.shards, lanes: Self.lanes)
        #expect(engine.lanes == Self.lanes)
        for lane in 0..<Self.lanes {
            #expect((0..<Self.shards).filter { engine.lane(of: .shard(ShardID(UInt16($0)))) == lane }.count == 2)
        }
        try EngineFixture.close(engine)
    }

    /// Random writes of all shards under a few routers, with repetitions.
    private func randomLog(_ random: inout Xoshiro256) -> [CommittedEntry] {
        var log = TestLog()
        var sent: [(LogEntry, ShardID)] = []
        for sequence in 1...4_000 as ClosedRange<UInt64> {
            if random.below(5) == 0, let (entry, shard) = sent.suffix(30).randomElement(using: &random) {
                log.append(entry, shard)
                continue
            }
            let id = UInt64(random.below(3_000))
            let origin = WriteOrigin(
                incarnation: UInt64(random.below(3)) + 1, sequence: sequence,
                lowestOpen: sequence - min(sequence, 200))
            let command: ShardCommand =
                random.below(4) == 0 ? .remove(id) : .put(id, [Float(sequence), Float(id)])
            sent.append((LogEntry(origin, command), shardOf(id, Self.shards)))
            log.append(sent[sent.count - 1].0, sent[sent.count - 1].1)
        }
        return log.take()
    }

    /// The collection is announced when a part of its points is in, by a thread of its own.
    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `Threads that apply different lanes while the catalog changes and searches run give the same rows`(
        seed: UInt64
    ) throws {
        var random = Xoshiro256(seed: seed)
        var catalog = TestLog()
        catalog.create(dimension: 2)
        let founding = catalog.take()
        for number in 0..<30 {
            catalog.append(
                .catalog,
                CatalogCommand.create(name: "x\(number)", vectors: [VectorSchema(dimension: 2, metric: .cosine)])
                    .encoded)
        }
        let changes = catalog.take()
        let writes = randomLog(&random)
        let directories = (try TemporaryDirectory(), try TemporaryDirectory())
        let serial = try EngineFixture.open(directories.0.path, shards: Self.shards)
        _ = try serial.apply(founding)
        let expected = try serial.apply(writes)
        _ = try serial.apply(changes)
        let engine = try EngineFixture.open(directories.1.path, shards: Self.shards, lanes: Self.lanes)
        let outcomes = Mutex<[Int: ApplyOutcome]>([:])
        let failures = Mutex<[String]>([])
        let running = Atomic<Int>(Self.lanes + 1)
        DispatchQueue.concurrentPerform(iterations: Self.lanes + 2) { thread in
            do {
                switch thread {
                case Self.lanes:
                    while outcomes.withLock({ $0.count }) < writes.count / 4, failures.withLock({ $0.isEmpty }) {
                        sched_yield()
                    }
                    for entry in founding + changes { _ = try engine.apply([entry]) }
                case Self.lanes + 1:
                    return try Self.search(engine, while: running, failures)
                default:
                    let own = writes.indices.filter { engine.lane(of: writes[$0].group) == thread }
                    var random = Xoshiro256(seed: seed, stream: UInt64(thread))
                    var rest = own[...]
                    while !rest.isEmpty {
                        let places = rest.prefix(random.within(1...40))
                        rest = rest.dropFirst(places.count)
                        let done = try engine.apply(places.map { writes[$0] })
                        outcomes.withLock { for (place, outcome) in zip(places, done) { $0[place] = outcome } }
                    }
                }
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
            running.subtract(1, ordering: .sequentiallyConsistent)
        }
        #expect(failures.withLock { $0 } == [])
        #expect(outcomes.withLock { found in writes.indices.map { found[$0] ?? .nothing } } == expected)
        #expect(try EngineFixture.digests(engine) == EngineFixture.digests(serial))
        let index = try #require(engine.collection(EngineFixture.collection)).indexes[0]
        #expect(index.counts.live == (try serial.pointCount(EngineFixture.collection)))
        #expect(engine.catalog.version == serial.catalog.version)
        try EngineFixture.close(serial)
        try EngineFixture.close(engine)
    }

    /// Every result carries the id that its vector was written with.
    private static func search(
        _ engine: Engine, while running: borrowing Atomic<Int>, _ failures: borrowing Mutex<[String]>
    ) throws {
        let request = SearchRequest(vector: [0, 0], limit: 50, withVector: true)
        while running.load(ordering: .sequentiallyConsistent) > 0 {
            guard let collection = engine.collection(EngineFixture.collection) else { continue }
            for found in try engine.search(request, in: collection) {
                guard let values = found.vectors.first?.values, found.id.id == .integer(UInt64(values[1])) else {
                    return failures.withLock { $0.append("\(found.id) has \(found.vectors)") }
                }
            }
        }
    }
}
