import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Synchronization
import Testing

/// What is exported on one node and imported on another says the same there.
@Suite struct ExportRoundTripTests {
    private static let shards = (0..<ExportWorld.shards).map { ShardID(UInt16($0)) }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `A node that got everything by exports is the twin of the one that applied it, and stays it`(
        seed: UInt64
    ) throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let source = try EngineFixture.open(directories.0.path)
        var target = try EngineFixture.open(directories.1.path)
        var history = ExportHistory(seed: seed, dimension: 4)
        history.write(1_500)
        _ = try source.apply(history.log.take())
        for group in LogGroup.all(shardCount: ExportWorld.shards) {
            try ExportWorld.install(try ExportWorld.export(group, of: source), in: target)
        }
        try compare(source, target)
        // The same entries have the same outcomes on both: remembered keys, origins and pieces came along.
        history.write(800)
        let entries = history.log.take()
        #expect(try source.apply(entries) == target.apply(entries))
        try compare(source, target)
        try EngineFixture.close(target)
        target = try EngineFixture.open(directories.1.path)
        try compare(source, target)
        try EngineFixture.close(source)
        try EngineFixture.close(target)
    }

    private func compare(_ source: Engine, _ target: Engine) throws {
        #expect(source.catalog.version == target.catalog.version)
        #expect(source.catalog.sortedEntries == target.catalog.sortedEntries)
        for shard in Self.shards {
            let rows = try ExportWorld.rows(of: shard, in: source)
            #expect(!rows.rows.isEmpty)
            #expect(try ExportWorld.rows(of: shard, in: target) == rows)
            #expect(try ExportWorld.generations(of: shard, in: target).count == 1)
            #expect(!target.isInstalling(shard))
        }
        for collection in source.collections {
            for vector in collection.schema.vectors {
                var request = SearchRequest(vector: [Float](repeating: 0.5, count: vector.dimension), limit: 1_000)
                request.using = vector.name
                request.exact = true
                let found = try source.search(request, in: collection)
                let twin = try target.search(request, in: try #require(target.collection(collection.schema.id)))
                #expect(Set(found.map { "\($0.id.text) \($0.score)" }) == Set(twin.map { "\($0.id.text) \($0.score)" }))
                #expect(!found.isEmpty)
            }
        }
    }

    @Test func `An export is of the moment it was made, whatever is written, dropped and compacted meanwhile`() throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let source = try EngineFixture.open(directories.0.path)
        let target = try EngineFixture.open(directories.1.path)
        var history = ExportHistory(seed: 9, dimension: 4_096)
        history.write(900)
        _ = try source.apply(history.log.take())
        let shard = ShardID(1)
        let before = try ExportWorld.rows(of: shard, in: source)
        let export = try ShardExport(
            of: .shard(shard), cluster: ExportWorld.cluster, shardCount: ExportWorld.shards, database: source.database)
        var parts = [export.header.encoded, try #require(try export.next())]
        history.write(900)
        for shard in Self.shards {
            let fence = LogEntry(.none, .fence(CatalogVersion(4), dropping: ExportWorld.second))
            history.log.append(fence, shard)
        }
        _ = try source.apply(history.log.take())
        try source.database.flush()
        for family in [ColumnFamily.vectors, .payloads, .state] { try source.database.compact(family) }
        while let block = try export.next() { parts.append(block) }
        #expect(parts.count > 3)
        try ExportWorld.install(parts, in: target)
        let after = try ExportWorld.rows(of: shard, in: source)
        #expect(try ExportWorld.rows(of: shard, in: target) == before)
        #expect(after != before)
        #expect(before.state?.applied == export.header.index)
        try EngineFixture.close(target)
        export.close()
        #expect(throws: ExportError.closed) { try export.next() }
        try EngineFixture.close(source)
    }

    @Test func `A shard whose points are all gone is exported too, and one that never had any`() throws {
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let source = try EngineFixture.open(directories.0.path, shards: 1)
        let target = try EngineFixture.open(directories.1.path, shards: 1)
        let group = LogGroup.shard(ShardID(0))
        var log = TestLog()
        log.create(dimension: 1)
        _ = try source.apply(log.take())
        for step in 0..<3 as Range<UInt64> {
            let parts = try ExportWorld.export(group, of: source, shardCount: 1)
            try ExportWorld.install(parts, in: target)
            let rows = try ExportWorld.rows(of: ShardID(0), in: source)
            #expect(try ExportWorld.rows(of: ShardID(0), in: target) == rows)
            #expect(rows.rows.keys.filter { $0[0] == 1 }.count == (step == 1 ? 1 : 0))
            log.append(LogEntry(.none, step == 0 ? .put(7, [1]) : .remove(7)), ShardID(0))
            _ = try source.apply(log.take())
        }
        let parts = try ExportWorld.export(group, of: source, shardCount: 1)
        let header = try ExportHeader(encoded: parts[0])
        #expect(header.points == 0 && header.digests.isEmpty)
        try EngineFixture.close(source)
        try EngineFixture.close(target)
    }

    @Test func `The records of all shards are all points, each once, whatever the number of shards`() throws {
        let directory = try TemporaryDirectory()
        let source = try EngineFixture.open(directory.path)
        var history = ExportHistory(seed: 3, dimension: 3)
        history.write(1_000)
        _ = try source.apply(history.log.take())
        var found: [CollectionID: Set<PointID>] = [:]
        var count = 0
        for shard in Self.shards {
            var reader = ExportReader()
            for part in try ExportWorld.export(.shard(shard), of: source) { reader.feed(part) }
            while let item = try reader.next() {
                guard case .records(let records) = item else { continue }
                for case .point(let point) in records {
                    count += 1
                    found[point.collection, default: []].insert(try #require(PointID(encoded: point.id)))
                }
            }
            try reader.finish()
        }
        for id in [EngineFixture.collection, ExportWorld.second] {
            let points = try #require(found[id])
            #expect(points.count == (try source.pointCount(id)))
            let collection = try #require(source.collection(id))
            for point in points { #expect(try source.point(point, in: collection) != nil) }
        }
        #expect(count == found.values.reduce(0) { $0 + $1.count })
        try EngineFixture.close(source)
    }

    @Test func `A group without a replica here is not exported`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, held: [.catalog])
        #expect(throws: ExportError.unwanted("group 2 has no replica here")) {
            try ExportWorld.export(.shard(ShardID(2)), of: engine)
        }
        try EngineFixture.close(engine)
    }
}
