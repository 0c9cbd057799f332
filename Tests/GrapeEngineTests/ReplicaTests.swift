import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Testing

/// Replicas come and go on a node, in any order with the catalog's entries.
@Suite struct ReplicaTests {
    private static let shards = 4

    private func write(_ ids: Range<UInt64>, into log: inout TestLog) {
        for id in ids {
            let origin = WriteOrigin(incarnation: 9, sequence: id + 1, lowestOpen: 0)
            log.append(LogEntry(origin, .put(id, [Float(id)])), shardOf(id, Self.shards))
        }
    }

    private func ids(_ ids: Range<UInt64>, in shards: ShardSet) -> Set<PointID> {
        Set(ids.filter { shards.contains(shardOf($0, Self.shards)) }.map { .integer($0) })
    }

    private func found(_ engine: Engine, shards: ShardSet? = nil) throws -> Set<PointID> {
        let collection = try #require(engine.collection(EngineFixture.collection))
        let request = SearchRequest(vector: [0], limit: 1_000)
        return Set(try engine.search(request, in: collection, shards: shards).map(\.id.id))
    }

    @Test func `A node applies, counts and finds only what it holds, and passes over the rest`() throws {
        let directory = try TemporaryDirectory()
        let held = ShardSet([ShardID(1), ShardID(3)])
        var engine = try EngineFixture.open(
            directory.path, shards: Self.shards, held: [.catalog, .shard(ShardID(1)), .shard(ShardID(3))])
        var log = TestLog()
        log.create(dimension: 1)
        write(0..<100, into: &log)
        let outcomes = try engine.apply(log.take())
        let expected = ids(0..<100, in: held)
        #expect(outcomes.filter { $0 == .upserted(1) }.count == expected.count)
        for _ in 0..<2 {
            #expect(engine.heldShards == held)
            #expect(engine.holds(ShardID(1)) && !engine.holds(ShardID(0)))
            #expect(try engine.pointCount(EngineFixture.collection) == expected.count)
            #expect(try found(engine) == expected)
            #expect(try found(engine, shards: ShardSet([ShardID(3)])) == ids(0..<100, in: ShardSet([ShardID(3)])))
            #expect(throws: GrapeError.self) { try found(engine, shards: ShardSet([ShardID(0), ShardID(1)])) }
            #expect(engine.appliedIndex(of: .shard(ShardID(0))) == LogIndex(0))
            try EngineFixture.close(engine)
            engine = try EngineFixture.open(directory.path, shards: Self.shards, held: [])
        }
        try EngineFixture.close(engine)
    }

    @Test func `A replica that ends leaves nothing, and one that comes after begins in a new generation`() throws {
        let directory = try TemporaryDirectory()
        var engine = try EngineFixture.open(directory.path, shards: Self.shards)
        var log = TestLog()
        log.create(dimension: 1)
        write(0..<200, into: &log)
        let piece = LogEntry(
            WriteOrigin(incarnation: 8, sequence: 1, lowestOpen: 0), .piece(number: 0, count: 2, bytes: [1]))
        log.append(piece, ShardID(2))
        let keyed = LogEntry(
            catalogVersion: CatalogVersion(2), idempotencyKey: [1, 2], command: .remove(1_000))
        log.append(keyed, ShardID(2))
        _ = try engine.apply(log.take())
        let group = LogGroup.shard(ShardID(2))
        let others = ShardSet([ShardID(0), ShardID(1), ShardID(3)])
        let index = try #require(engine.collection(EngineFixture.collection)).indexes[0]
        for generation in 2...4 as ClosedRange<UInt32> {
            try engine.release(group)
            #expect(engine.heldShards == others)
            #expect(try found(engine) == ids(0..<200, in: others))
            if generation == 2 { #expect(index.counts.live == ids(0..<200, in: others).count) }
            #expect(try leftovers(engine, ShardID(2)) == 0)
            log.append(keyed, ShardID(2))
            #expect(try engine.apply(log.take()) == [.nothing])
            if generation == 3 {
                try EngineFixture.close(engine)
                engine = try EngineFixture.open(directory.path, shards: Self.shards, held: [])
                #expect(engine.heldShards == others)
            }
            try EngineFixture.found(engine, [group])
            let bytes = try #require(try engine.database.get(.state, StateKey.group(group)))
            #expect(GroupState(encoded: bytes)?.generation == ReplicaGeneration(generation))
            var anew = TestLog()
            // Sequences that the shard has forgotten with its rows.
            for id in (0..<200 as Range<UInt64>).filter({ shardOf($0, Self.shards) == ShardID(2) }) {
                let origin = WriteOrigin(incarnation: 9, sequence: id + 1, lowestOpen: 0)
                anew.append(LogEntry(origin, .put(id, [1])), ShardID(2))
            }
            #expect(try engine.apply(anew.take()).allSatisfy { $0 == .upserted(1) })
            #expect(try found(engine) == ids(0..<200, in: engine.heldShards))
        }
        try EngineFixture.close(engine)
    }

    /// Rows of a shard in every family that has some.
    private func leftovers(_ engine: Engine, _ shard: ShardID) throws -> Int {
        var ranges: [(ColumnFamily, [UInt8], [UInt8])] = []
        let (from, to) = (shard.rawValue, shard.rawValue + 1)
        for family in [ColumnFamily.vectors, .payloads] {
            ranges.append((family, [UInt8(from >> 8), UInt8(from & 255)], [UInt8(to >> 8), UInt8(to & 255)]))
        }
        for tag in [1, 2, 3, 4, 7, 8] as [UInt8] {
            ranges.append(
                (.state, [tag, UInt8(from >> 8), UInt8(from & 255)], [tag, UInt8(to >> 8), UInt8(to & 255)]))
        }
        var count = 0
        for (family, from, to) in ranges {
            var cursor = try engine.database.cursor(family, from: from, to: to)
            try cursor.seekToFirst()
            while cursor.isValid {
                count += 1
                try cursor.next()
            }
        }
        return count
    }

    @Test func `What a crash left of a replica's rows goes at the next start`() throws {
        let directory = try TemporaryDirectory()
        var engine = try EngineFixture.open(directory.path, shards: Self.shards)
        var log = TestLog()
        log.create(dimension: 1)
        write(0..<100, into: &log)
        _ = try engine.apply(log.take())
        let row = StateKey.group(.shard(ShardID(2)))
        try engine.database.deleteRange(.state, from: row, to: row + [0])
        try EngineFixture.close(engine)
        engine = try EngineFixture.open(directory.path, shards: Self.shards, held: [])
        #expect(try leftovers(engine, ShardID(2)) == 0)
        #expect(try found(engine) == ids(0..<100, in: ShardSet([ShardID(0), ShardID(1), ShardID(3)])))
        try EngineFixture.found(engine, [.shard(ShardID(2))])
        let bytes = try #require(try engine.database.get(.state, StateKey.group(.shard(ShardID(2)))))
        #expect(GroupState(encoded: bytes)?.generation == ReplicaGeneration(2))
        try EngineFixture.close(engine)
    }

    // MARK: The catalog comes late

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `A collection that is announced after its points has them all`(seed: UInt64) throws {
        var random = Xoshiro256(seed: seed)
        let directory = try TemporaryDirectory()
        var engine = try EngineFixture.open(directory.path, shards: Self.shards)
        var catalog = TestLog()
        catalog.create(dimension: 1)
        var points = TestLog()
        write(0..<300, into: &points)
        for id in (0..<300 as Range<UInt64>).filter({ $0 % 7 == 0 }) {
            points.append(LogEntry(.none, .remove(id)), shardOf(id, Self.shards))
        }
        // The catalog's entries stand anywhere among the others, so any turn may hold both.
        var entries = points.take()
        for (place, entry) in catalog.take().enumerated() {
            entries.insert(entry, at: random.within(place * 170...entries.count))
        }
        let creates = entries.indices.filter { entries[$0].group == .catalog }
        if entries[creates[0]].index > entries[creates[1]].index { entries.swapAt(creates[0], creates[1]) }
        var rest = entries[...]
        while !rest.isEmpty {
            let run = Array(rest.prefix(random.within(1...120)))
            rest = rest.dropFirst(run.count)
            _ = try engine.apply(run)
            if random.below(4) == 0 {
                try EngineFixture.close(engine)
                engine = try EngineFixture.open(directory.path, shards: Self.shards)
            }
        }
        let expected = Set((0..<300 as Range<UInt64>).filter { $0 % 7 != 0 }.map { PointID.integer($0) })
        #expect(try found(engine) == expected)
        let index = try #require(engine.collection(EngineFixture.collection)).indexes[0]
        #expect(index.counts.live == expected.count)
        try EngineFixture.close(engine)
    }

    @Test func `A turn that announces one collection with points also changes the others`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: Self.shards)
        var log = TestLog()
        log.create(dimension: 1)
        guard case .upsert(_, let points) = ShardCommand.put(3, [3]) else { return }
        let later = LogEntry(.none, .upsert(CollectionID(2), points))
        log.append(later, ShardID(0))
        _ = try engine.apply(log.take())
        let vectors = [VectorSchema(dimension: 1, metric: .euclidean)]
        log.append(.catalog, CatalogCommand.create(name: "d", vectors: vectors).encoded)
        log.append(.catalog, CatalogCommand.created(CollectionID(2)).encoded)
        write(0..<20, into: &log)
        _ = try engine.apply(log.take())
        #expect(engine.collections.map { $0.indexes[0].counts.live } == [20, 1])
        #expect(try found(engine) == ids(0..<20, in: engine.heldShards))
        try EngineFixture.close(engine)
    }

    @Test func `A catalog that comes as a whole takes the place of the one there, with the rows that are there`() throws
    {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: Self.shards)
        var log = TestLog()
        write(0..<50, into: &log)
        _ = try engine.apply(log.take())
        var catalog = CatalogState()
        _ = catalog.apply(.create(name: "c", vectors: [VectorSchema(dimension: 1, metric: .euclidean)]))
        _ = catalog.apply(.created(EngineFixture.collection))
        var state = GroupState()
        state.applied = LogIndex(40)
        try engine.replaceCatalog(catalog, state)
        #expect(engine.appliedIndex(of: .catalog) == LogIndex(40))
        #expect(try found(engine) == ids(0..<50, in: engine.heldShards))
        try engine.replaceCatalog(CatalogState(), state)
        #expect(engine.collections.isEmpty)
        try EngineFixture.close(engine)
    }
}
