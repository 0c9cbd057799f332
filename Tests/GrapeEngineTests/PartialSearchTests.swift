import GrapeEngine
import GrapeIndex
import GrapeModel
import GrapeTestKit
import Testing

/// Searches over some shards find what a comparison with every point of them finds.
@Suite struct PartialSearchTests {
    private static let shards = 6
    private static let dimension = 12
    private static let points = 6_000

    private func vector(_ random: inout Xoshiro256) -> [Float] {
        (0..<Self.dimension).map { _ in .random(in: -1...1, using: &random) }
    }

    /// An engine over random points, in the graph, and the points.
    private func filled(_ path: String, _ random: inout Xoshiro256) throws -> (Engine, [[Float]]) {
        let engine = try EngineFixture.open(path, shards: Self.shards)
        var log = TestLog()
        log.create(dimension: Self.dimension)
        var vectors: [[Float]] = []
        for id in 0..<Self.points {
            vectors.append(vector(&random))
            log.append(LogEntry(.none, .put(UInt64(id), vectors[id])), shardOf(UInt64(id), Self.shards))
        }
        _ = try engine.apply(log.take())
        let collection = try #require(engine.collection(EngineFixture.collection))
        collection.indexes[0].drainTail(threads: 2)
        return (engine, vectors)
    }

    private func nearest(_ query: [Float], _ vectors: [[Float]], in shards: ShardSet, limit: Int) -> [PointID] {
        let distances = vectors.indices.filter { shards.contains(shardOf(UInt64($0), Self.shards)) }.map { id in
            (zip(vectors[id], query).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }, id)
        }
        return distances.sorted { $0 < $1 }.prefix(limit).map { .integer(UInt64($0.1)) }
    }

    @Test func `A third of the shards is searched with the recall of the whole, and exactly where asked`() throws {
        var random = Xoshiro256(seed: 21)
        let directory = try TemporaryDirectory()
        let (engine, vectors) = try filled(directory.path, &random)
        let collection = try #require(engine.collection(EngineFixture.collection))
        var (hits, asked) = (0, 0)
        for round in 0..<60 {
            let shards = ShardSet((0..<Self.shards).shuffled(using: &random).prefix(2).map { ShardID(UInt16($0)) })
            let query = vector(&random)
            let expected = nearest(query, vectors, in: shards, limit: 10)
            var request = SearchRequest(vector: query, limit: 10, ef: 64)
            let walked = try engine.search(request, in: collection, shards: shards).map(\.id.id)
            #expect(walked.count == 10)
            hits += Set(walked).intersection(expected).count
            asked += 10
            request.exact = true
            if round < 20 {
                #expect(try engine.search(request, in: collection, shards: shards).map(\.id.id) == expected)
            }
        }
        #expect(Double(hits) / Double(asked) > 0.97, "recall is \(Double(hits) / Double(asked))")
        try EngineFixture.close(engine)
    }

    @Test func `One shard, all shards, a filter and points in the tail are right too`() throws {
        var random = Xoshiro256(seed: 22)
        let directory = try TemporaryDirectory()
        var (engine, vectors) = try filled(directory.path, &random)
        var collection = try #require(engine.collection(EngineFixture.collection))
        let one = ShardSet([ShardID(4)])
        let query = vector(&random)
        let near = nearest(query, vectors, in: one, limit: 300)
        // More than the shard's nearest hundred: the walk comes back with few, and all are scored.
        let request = SearchRequest(vector: query, limit: 300, ef: 300)
        #expect(try engine.search(request, in: collection, shards: one).map(\.id.id) == near)
        let whole = try engine.search(request, in: collection).map(\.id.id)
        #expect(try engine.search(request, in: collection, shards: engine.heldShards).map(\.id.id) == whole)
        var filtered = SearchRequest(vector: query, limit: 5)
        let others = whole.filter { !near.contains($0) }.prefix(50)
        filtered.filter = Filter(must: [.hasID(Set(near.suffix(5) + others))])
        #expect(Set(try engine.search(filtered, in: collection, shards: one).map(\.id.id)) == Set(near.suffix(5)))
        // A hidden shard is not found by those who ask for none in particular.
        engine.hide(ShardID(4))
        let visible = try engine.search(request, in: collection).map(\.id.id)
        #expect(Set(visible).isDisjoint(with: near) && visible.count == 300)
        #expect(throws: GrapeError.self) { try engine.search(request, in: collection, shards: one) }
        engine.show(ShardID(4))
        try EngineFixture.close(engine)
        engine = try EngineFixture.open(directory.path, shards: Self.shards)
        collection = try #require(engine.collection(EngineFixture.collection))
        #expect(try engine.search(request, in: collection, shards: one).map(\.id.id) == near)
        try EngineFixture.close(engine)
    }
}
