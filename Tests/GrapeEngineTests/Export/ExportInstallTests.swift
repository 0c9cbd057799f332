import Dispatch
import Foundation
import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Synchronization
import Testing

/// Rows that came as a whole get into the indexes while apply goes on.
@Suite(.serialized) struct ExportInstallTests {
    private static let shard = ShardID(3)
    private static let group = LogGroup.shard(shard)

    private func ids(_ range: Range<UInt64>) -> [UInt64] {
        range.filter { shardOf($0, ExportWorld.shards) == Self.shard }
    }

    private func wait(_ engine: Engine) throws {
        let end = ContinuousClock.now + .seconds(60)
        while engine.isInstalling(Self.shard) {
            try #require(ContinuousClock.now < end)
            DispatchQueue.global().sync {}
        }
    }

    private func found(_ engine: Engine) throws -> [PointID: Float] {
        let collection = try #require(engine.collection(EngineFixture.collection))
        var request = SearchRequest(vector: [0], limit: 20_000)
        request.withVector = true
        request.exact = true
        let points = try engine.search(request, in: collection, shards: ShardSet([Self.shard]))
        return Dictionary(uniqueKeysWithValues: points.map { ($0.id.id, $0.vectors[0].values[0]) })
    }

    /// A shard whose points have the value 1, exported; log indexes from there on are given by `log`.
    private func source(_ directory: TemporaryDirectory, _ count: UInt64) throws -> (TestLog, [[UInt8]]) {
        let engine = try EngineFixture.open(directory.path)
        var log = TestLog()
        log.create(dimension: 1)
        for id in ids(0..<count) { log.append(LogEntry(.none, .put(id, [1])), Self.shard) }
        _ = try engine.apply(log.take())
        let parts = try ExportWorld.export(Self.group, of: engine)
        try EngineFixture.close(engine)
        return (log, parts)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `What entries change while rows are being loaded is not overwritten by what was read before`(
        seed: UInt64
    ) throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        var (log, parts) = try source(directories.0, 40_000)
        let engine = try EngineFixture.open(directories.1.path)
        var catalog = TestLog()
        catalog.create(dimension: 1)
        _ = try engine.apply(catalog.take())
        var expected = Dictionary(uniqueKeysWithValues: ids(0..<40_000).map { (PointID.integer($0), Float(1)) })
        var random = Xoshiro256(seed: seed)
        let all = ids(0..<40_100)
        var rounds = 0
        try ExportWorld.install(parts, in: engine, inBackground: true)
        while engine.isInstalling(Self.shard) || rounds < 20 {
            rounds += 1
            try #require(rounds < 20_000)
            for _ in 0..<random.within(1...30) {
                let id = all[random.below(all.count)]
                let value: Float? = random.below(4) == 0 ? nil : Float(rounds + 1)
                expected[.integer(id)] = value
                log.append(LogEntry(.none, value.map { .put(id, [$0]) } ?? .remove(id)), Self.shard)
            }
            _ = try engine.apply(log.take())
        }
        #expect(try found(engine) == expected)
        // Answers are made of rows; the index itself must have them too.
        let index = try #require(engine.collection(EngineFixture.collection)).indexes[0]
        #expect(index.counts.live == expected.count)
        let generation = engine.generation(of: Self.group)
        let prefix = RowKeyPrefix(shard: Self.shard, generation: generation, collection: EngineFixture.collection)
        for id in expected.keys {
            let row = try #require(try engine.database.get(.vectors, prefix.key(of: id)))
            #expect(index.version(ofKey: id.encoded.span) == VectorRow.version(of: row.span)?.rawValue)
        }
        try EngineFixture.close(engine)
    }

    @Test func `A shard is not answered for between the switch and the end of the load`() throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let (_, parts) = try source(directories.0, 20_000)
        let engine = try EngineFixture.open(directories.1.path)
        var catalog = TestLog()
        catalog.create(dimension: 1)
        _ = try engine.apply(catalog.take())
        var refusals = 0
        // On a busy machine a load may be through before this thread looks.
        for _ in 0..<20 where refusals == 0 {
            try ExportWorld.install(parts, in: engine, inBackground: true)
            while engine.isInstalling(Self.shard) {
                do {
                    // An answer may only come behind the end.
                    #expect(try found(engine).count == ids(0..<20_000).count)
                } catch let error as GrapeError {
                    #expect(error.code == .unavailable)
                    refusals += 1
                }
            }
        }
        #expect(try found(engine).count == ids(0..<20_000).count)
        #expect(refusals > 0)
        try EngineFixture.close(engine)
    }

    @Test func `While one replica makes room for another, readers find every point or are sent elsewhere`() throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let (_, parts) = try source(directories.0, 2_000)
        let engine = try EngineFixture.open(directories.1.path)
        var catalog = TestLog()
        catalog.create(dimension: 1)
        _ = try engine.apply(catalog.take())
        try ExportWorld.install(parts, in: engine)
        let collection = try #require(engine.collection(EngineFixture.collection))
        let own = ids(0..<2_000)
        let isOver = Atomic(false)
        let answers = Atomic(0)
        let wrong = Atomic(0)
        let readers = DispatchQueue(label: "readers", attributes: .concurrent)
        for first in 0..<2 {
            readers.async {
                var next = first
                while !isOver.load(ordering: .relaxed) {
                    next += 1
                    do {
                        let isRight =
                            next % 50 == 0
                            ? try found(engine).count == own.count
                            : try engine.point(.integer(own[next % own.count]), in: collection) != nil
                        if isRight { answers.add(1, ordering: .relaxed) } else { wrong.add(1, ordering: .relaxed) }
                    } catch {
                        if (error as? GrapeError)?.code != .unavailable { wrong.add(1, ordering: .relaxed) }
                    }
                }
            }
        }
        for _ in 0..<100 {
            try engine.release(Self.group)
            let state = try engine.newGroupState(Self.group, applied: LogIndex(0), term: 0, configuration: [])
            engine.hold([Self.group: state], areEmpty: true)
            usleep(1_000)
            try ExportWorld.install(parts, in: engine)
            usleep(1_000)
        }
        isOver.store(true, ordering: .relaxed)
        readers.sync(flags: .barrier) {}
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(answers.load(ordering: .relaxed) > 0)
        try EngineFixture.close(engine)
    }

    @Test func `Of installs in quick succession the last one stays, however late the others begin`() throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let (_, parts) = try source(directories.0, 6_000)
        let engine = try EngineFixture.open(directories.1.path)
        var catalog = TestLog()
        catalog.create(dimension: 1)
        _ = try engine.apply(catalog.take())
        let count = ids(0..<6_000).count
        for round in 0..<10 {
            for _ in 0..<3 { try ExportWorld.install(parts, in: engine, inBackground: true) }
            try wait(engine)
            #expect(try found(engine).count == count, "round \(round)")
        }
        // All threads of the class on which loads run are taken: one begins when a later one is through.
        let gate = Atomic(true)
        let busy = DispatchQueue(label: "busy", qos: .utility, attributes: .concurrent)
        for _ in 0..<64 { busy.async { while gate.load(ordering: .relaxed) {} } }
        try ExportWorld.install(parts, in: engine, inBackground: true)
        try ExportWorld.install(parts, in: engine)
        #expect(try found(engine).count == count)
        gate.store(false, ordering: .relaxed)
        busy.sync(flags: .barrier) {}
        for _ in 0..<100 {
            DispatchQueue.global(qos: .background).sync {}
            usleep(1_000)
        }
        #expect(try found(engine).count == count)
        #expect(try ExportWorld.generations(of: Self.shard, in: engine).count == 1)
        try EngineFixture.close(engine)
    }

    @Test func `A collection that is announced while its rows are loaded has them all`() throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let (_, parts) = try source(directories.0, 4_000)
        for _ in 0..<10 {
            let directory = try TemporaryDirectory()
            let engine = try EngineFixture.open(directory.path)
            try ExportWorld.install(parts, in: engine, inBackground: true)
            var catalog = TestLog()
            catalog.create(dimension: 1)
            _ = try engine.apply(catalog.take())
            try wait(engine)
            #expect(try found(engine).count == ids(0..<4_000).count)
            try EngineFixture.close(engine)
        }
    }
}
