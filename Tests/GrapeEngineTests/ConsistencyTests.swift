import GrapeEngine
import GrapeIndex
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Testing

/// What a replica says to a check, and what a reading of its rows finds.
struct ConsistencyTests {
    private let directory: TemporaryDirectory
    private static let id: UInt64 = 77

    init() throws { directory = try TemporaryDirectory() }

    private func filled(_ path: String, points: UInt64 = 40) throws -> (Engine, TestLog) {
        let engine = try EngineFixture.open(path, shards: 1)
        var log = TestLog()
        log.create(dimension: 2)
        for id in 0..<points {
            log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .put(id, [Float(id), 1])), ShardID(0))
        }
        _ = try engine.apply(log.take())
        return (engine, log)
    }

    private func check(_ engine: Engine, _ log: inout TestLog, deep: Bool = true) throws {
        if deep { #expect(engine.marks.announce(Self.id, isDeep: true, until: .now + .seconds(60))) }
        log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .check(Self.id, deep: deep)), ShardID(0))
        for turn in Engine.turns(log.take()) { _ = try engine.apply(turn) }
    }

    private func answer(_ engine: Engine) async throws -> ReplicaCheck {
        while true {
            let answer = try #require(engine.answer(Self.id, ShardID(0)))
            if case .reading = answer.disk {
                try await Task.sleep(for: .milliseconds(5))
                continue
            }
            return answer
        }
    }

    private var key: [UInt8] {
        RowKeyPrefix(shard: ShardID(0), generation: .first, collection: EngineFixture.collection).key(of: .integer(3))
    }

    /// A batch that lives counts as a user of the database.
    private func write(_ engine: Engine, _ body: (inout WriteBatch) -> Void) throws {
        var batch = try engine.database.makeBatch()
        body(&batch)
        try engine.database.write(batch)
    }

    private func put(_ engine: Engine, _ family: ColumnFamily, _ key: [UInt8], _ value: [UInt8]) throws {
        try write(engine) { $0.put(family, key: key, value: value) }
    }

    /// Changes the payload of point 3, with the hash and the checksum that go with it.
    private func alter(_ engine: Engine) throws -> (old: UInt64, new: UInt64) {
        var row = try #require(try engine.database.get(.payloads, key).flatMap(PointRow.init(encoded:)))
        let old = row.hash
        let block = try #require(try engine.database.get(.vectors, key)).dropFirst(VectorRow.headerBytes)
        row.payload = Payload(uncheckedJSON: Array(#"{"a":1}"#.utf8))
        row.hash = RowDigest.hash(
            id: PointID.integer(3).encoded, form: row.form, vectorVersion: row.vectorVersion, version: row.version,
            vectorBlock: Array(block), payload: row.payload.json)
        try put(engine, .payloads, key, row.encoded)
        return (old, row.hash)
    }

    @Test("replicas say the same at the same entry, whatever comes behind it in the same turn")
    func equalReplicas() async throws {
        let (first, second) = (try TemporaryDirectory(), try TemporaryDirectory())
        var answers: [ReplicaCheck] = []
        for (directory, isAtOnce) in [(first, true), (second, false)] {
            var (engine, log) = try filled(directory.path)
            #expect(engine.marks.announce(Self.id, isDeep: true, until: .now + .seconds(60)))
            log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .check(Self.id, deep: true)), ShardID(0))
            log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .put(99, [9, 9])), ShardID(0))
            log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .remove(5)), ShardID(0))
            let turns = isAtOnce ? Engine.turns(log.take()) : log.take().map { [$0] }
            for turn in turns { _ = try engine.apply(turn) }
            answers.append(try await answer(engine))
            try EngineFixture.close(engine)
        }
        #expect(answers[0] == answers[1])
        #expect(answers[0].index == LogIndex(41))
        #expect(answers[0].running.points == 40)
        #expect(answers[0].disk == .read(answers[0].running, indexDifferences: 0))
    }

    @Test("a shallow check needs no announcement; a deep one that nobody announced reads nothing")
    func announcement() async throws {
        var (engine, log) = try filled(directory.path)
        log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .check(1, deep: false)), ShardID(0))
        log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .check(2, deep: true)), ShardID(0))
        for turn in Engine.turns(log.take()) { _ = try engine.apply(turn) }
        #expect(engine.answer(1, ShardID(0))?.disk == nil)
        #expect(engine.answer(2, ShardID(0))?.disk == nil)
        #expect(engine.answer(1, ShardID(0))?.running == engine.answer(2, ShardID(0))?.running)
        #expect(engine.answer(3, ShardID(0)) == nil)
        try EngineFixture.close(engine)
    }

    @Test("a check that is sent twice under one origin is answered by the first")
    func repetition() throws {
        var (engine, log) = try filled(directory.path)
        let origin = WriteOrigin(incarnation: 5, sequence: 1, lowestOpen: 1)
        for _ in 0..<2 { log.append(LogEntry(origin, .check(9, deep: false)), ShardID(0)) }
        var outcomes: [ApplyOutcome] = []
        for turn in Engine.turns(log.take()) { outcomes += try engine.apply(turn) }
        #expect(outcomes == [.checked(LogIndex(41)), .checked(LogIndex(41))])
        #expect(engine.answer(9, ShardID(0))?.index == LogIndex(41))
        try EngineFixture.close(engine)
    }

    @Test("a row changed behind the system's back, with all that goes with it, is not what the digest says")
    func alteredRow() async throws {
        var (engine, log) = try filled(directory.path)
        _ = try alter(engine)
        try check(engine, &log)
        let found = try await answer(engine)
        guard case .damaged(let detail) = found.disk else {
            Issue.record("\(found)")
            return
        }
        #expect(detail.contains("shard 0, collection 1: the rows on the disk are 40 points"), "\(detail)")
        #expect(engine.fault(of: .shard(ShardID(0)))?.detail == detail)
        try EngineFixture.close(engine)
    }

    @Test("a row changed together with the digest shows in the running digest")
    func alteredDigest() async throws {
        var (engine, log) = try filled(directory.path)
        try check(engine, &log, deep: false)
        let before = try await answer(engine)
        let (old, new) = try alter(engine)
        let prefix = RowKeyPrefix(shard: ShardID(0), generation: .first, collection: EngineFixture.collection)
        var digest = try engine.digest(ShardID(0), EngineFixture.collection)
        let isRemoved = digest.remove(old)
        #expect(isRemoved)
        digest.add(new)
        try put(engine, .state, StateKey.digest(prefix), digest.encoded)
        try check(engine, &log)
        let found = try await answer(engine)
        #expect(found.disk == .read(found.running, indexDifferences: 0))
        #expect(found.running.hash != before.running.hash && found.running.points == before.running.points)
        try EngineFixture.close(engine)
    }

    @Test("a row that does not have the hash it carries is named")
    func wrongHash() async throws {
        var (engine, log) = try filled(directory.path)
        var row = try #require(try engine.database.get(.payloads, key).flatMap(PointRow.init(encoded:)))
        row.hash ^= 1
        try put(engine, .payloads, key, row.encoded)
        try check(engine, &log)
        guard case .damaged(let detail) = try await answer(engine).disk else {
            Issue.record("no such finding")
            return
        }
        #expect(detail.contains("family payloads, key 0000") && detail.contains("hash"), "\(detail)")
        try EngineFixture.close(engine)
    }

    @Test("points that an index lacks, has in vain or has of another version are found and put right")
    func indexCoverage() async throws {
        var (engine, log) = try filled(directory.path)
        let index = try #require(engine.collections.first?.indexes.first)
        var scratch: [Ordinal] = []
        for (id, version) in [(UInt64(1_000), UInt64(3)), (7, 3)] {
            scratch.append(
                try index.stage(
                    key: PointID.integer(id).encoded.span, version: version, shard: 0,
                    vector: ([5, 5] as [Float]).span))
        }
        engine.clock.publish { stamp in
            for ordinal in scratch { index.birth(ordinal, at: stamp) }
            _ = index.kill(key: PointID.integer(8).encoded.span, at: stamp)
        }
        try check(engine, &log)
        guard case .read(_, let differences) = try await answer(engine).disk else {
            Issue.record("no such finding")
            return
        }
        #expect(differences == 3)
        #expect(version(1_000, index) == nil)
        #expect(version(7, index) == 8)
        #expect(version(8, index) == 9)
        let request = SearchRequest(vector: [8, 1], limit: 1, exact: true)
        let collection = try #require(engine.collections.first)
        #expect(try engine.search(request, in: collection).map(\.id.id) == [.integer(8)])
        try EngineFixture.close(engine)
    }

    private func version(_ id: UInt64, _ index: CollectionIndex) -> UInt64? {
        let key = PointID.integer(id).encoded
        return index.version(ofKey: key.span)
    }

    @Test("the scrub reads everything, and finds what is wrong with rows, log and index")
    func scrub() throws {
        let (engine, _) = try filled(directory.path)
        try write(engine) { batch in
            for index in [3, 4, 6] as [UInt64] {
                var key: [UInt8] = [0xff, 0xff]
                key.appendBigEndian(index)
                batch.put(.log, key: key, value: [1, 2, 3])
            }
        }
        try engine.database.flush()
        engine.scrubber.run(engine)
        var figures = engine.scrubber.figures
        #expect(figures.rounds == 1 && figures.points == 40 && figures.entries == 3 && figures.tables > 3)
        #expect(figures.bytes > 40 * 40 && !figures.isRunning && figures.lastEnd > 0)
        #expect(engine.fault(of: .catalog)?.detail.contains("entry 5 is missing") == true)
        #expect(engine.fault(of: .shard(ShardID(0))) == nil)
        _ = try alter(engine)
        let index = try #require(engine.collections.first?.indexes.first)
        engine.clock.publish { stamp in _ = index.kill(key: PointID.integer(8).encoded.span, at: stamp) }
        engine.scrubber.run(engine)
        figures = engine.scrubber.figures
        #expect(engine.fault(of: .shard(ShardID(0)))?.detail.contains("shard 0, collection 1") == true)
        #expect(engine.faults.count == 2)
        // Once a replica is known to be damaged its rows are not read again.
        engine.scrubber.run(engine)
        #expect(engine.scrubber.figures.points == figures.points)
        try EngineFixture.close(engine)
    }

    @Test("a digest that says less than the rows stops the shard with its name, not the process")
    func emptyDigest() throws {
        var (engine, log) = try filled(directory.path)
        let prefix = RowKeyPrefix(shard: ShardID(0), generation: .first, collection: EngineFixture.collection)
        try put(engine, .state, StateKey.digest(prefix), RowDigest().encoded)
        log.append(LogEntry(catalogVersion: CatalogVersion(2), command: .remove(3)), ShardID(0))
        #expect(throws: ApplyError.self) { try engine.apply(log.take()) }
        try EngineFixture.close(engine)
    }

    @Test("rows that were set aside are not answered from, outlast restarts and other replicas, and go in the end")
    func quarantine() throws {
        var (engine, _) = try filled(directory.path)
        let shard = ShardID(0)
        let quarantine = Quarantine(replica: 5, generation: .first, reason: "a test")
        try write(engine) { engine.putQuarantine(shard, quarantine, into: &$0) }
        engine.setAside(shard, quarantine)
        let collection = try #require(engine.collections.first)
        #expect(throws: GrapeError.self) { try engine.point(.integer(3), in: collection) }
        try EngineFixture.close(engine)

        engine = try EngineFixture.open(directory.path, shards: 1)
        #expect(engine.quarantines == [shard: quarantine])
        #expect(engine.servedShards.isEmpty)
        #expect(try rows(engine) == 40)
        #expect(engine.collections.first?.indexes.first?.counts.live == 0)
        try engine.release(.shard(shard))
        #expect(try rows(engine) == 40)
        try EngineFixture.close(engine)

        // Another replica begins; it does not take the old one's rows away.
        engine = try EngineFixture.open(directory.path, shards: 1)
        #expect(engine.generation(of: .shard(shard)) == ReplicaGeneration(2))
        #expect(engine.servedShards == ShardSet([shard]))
        try engine.deleteUnusedGenerations()
        #expect(try rows(engine) == 40)
        try engine.endQuarantine(shard)
        #expect(try rows(engine) == 0)
        #expect(engine.quarantines.isEmpty)
        try EngineFixture.close(engine)
    }

    private func rows(_ engine: Engine) throws -> Int {
        var cursor = try engine.database.cursor(.vectors)
        try cursor.seekToFirst()
        var count = 0
        while cursor.isValid {
            count += 1
            try cursor.next()
        }
        return count
    }

    @Test("a damaged row at the start ends the shard alone where others can replace it, else the start")
    func damageAtStart() throws {
        let (engine, _) = try filled(directory.path)
        // A row under another key has a checksum that is not its own.
        try put(engine, .vectors, key, [9, 9, 9])
        try EngineFixture.close(engine)
        #expect(throws: GrapeError.self) { try EngineFixture.open(directory.path, shards: 1) }
        let spared = try EngineFixture.open(directory.path, shards: 1, sparesDamaged: true)
        #expect(spared.servedShards.isEmpty)
        #expect(spared.fault(of: .shard(ShardID(0)))?.detail.contains("family vectors") == true)
        #expect(spared.collections.first?.indexes.first?.counts.live == 0)
        try EngineFixture.close(spared)
    }
}
