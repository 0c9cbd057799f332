import GrapeEngine
import GrapeIndex
import GrapeModel
import GrapeTestKit
import Testing

/// Filtered searches agree with the payloads while rows answer, while fields come into memory, and when they are there.
@Suite struct FieldSearchTests {
    private static let shards = 4
    private static let dimension = 6

    private struct Twin {
        var points: [UInt64: (vector: [Float], group: Int, note: String)] = [:]

        func nearest(_ query: [Float], where holds: (Int, String) -> Bool) -> [PointID] {
            let distances = points.filter { holds($0.value.group, $0.value.note) }.map { id, point in
                (zip(point.vector, query).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }, id)
            }
            return distances.sorted { $0 < $1 }.prefix(8).map { .integer($0.1) }
        }
    }

    private static let filters: [(json: String, holds: @Sendable (Int, String) -> Bool)] = [
        (#"{"must":[{"key":"group","match":{"value":3}}]}"#, { group, _ in group == 3 }),
        (#"{"must_not":[{"key":"group","range":{"lt":5}}]}"#, { group, _ in group >= 5 }),
        (
            #"{"should":[{"key":"group","match":{"value":1}},{"key":"note","match":{"text":"7"}}]}"#,
            { $0 == 1 || $1.contains("7") }
        ),
        (
            #"{"must":[{"is_empty":{"key":"nothing"}},{"key":"group","match":{"any":[2,4]}}]}"#,
            { g, _ in g == 2 || g == 4 }
        ),
    ]

    private func write(_ engine: Engine, _ log: inout TestLog, _ twin: inout Twin, _ random: inout Xoshiro256) throws {
        for _ in 0..<60 {
            let id = UInt64.random(in: 0..<900, using: &random)
            let shard = shardOf(id, Self.shards)
            if Int.random(in: 0..<5, using: &random) == 0 {
                twin.points[id] = nil
                log.append(LogEntry(.none, .remove(id)), shard)
                continue
            }
            let vector = (0..<Self.dimension).map { _ in Float.random(in: -1...1, using: &random) }
            let (group, note) = (Int.random(in: 0..<7, using: &random), "n\(Int.random(in: 0..<90, using: &random))")
            twin.points[id] = (vector, group, note)
            var block: [UInt8] = []
            VectorBlock.encode([PositionedVector(position: 0, values: vector)], into: &block)
            let payload = Payload(uncheckedJSON: Array(#"{"group":\#(group),"note":"\#(note)"}"#.utf8))
            let point = PointWrite(id: WrittenID(number: id), vectorBlock: block, payload: payload)
            log.append(LogEntry(.none, .upsert(EngineFixture.collection, [point])), shard)
        }
        _ = try engine.apply(log.take())
    }

    private func compare(_ engine: Engine, _ twin: Twin, _ random: inout Xoshiro256) throws {
        let collection = try #require(engine.collection(EngineFixture.collection))
        for (json, holds) in Self.filters {
            let query = (0..<Self.dimension).map { _ in Float.random(in: -1...1, using: &random) }
            let filter = try Filter(JSONDocument(parsing: Array(json.utf8)).root)
            let request = SearchRequest(vector: query, limit: 8, filter: filter, exact: true)
            #expect(
                try engine.search(request, in: collection).map(\.id.id) == twin.nearest(query, where: holds), "\(json)")
        }
    }

    /// Index threads fill fields as searches ask for them.
    private func waitUntilFilled(_ engine: Engine) async throws {
        let collection = try #require(engine.collection(EngineFixture.collection))
        for _ in 0..<2_000 where collection.fields[0].isIncomplete {
            engine.builder.wake()
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(!collection.fields[0].isIncomplete)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `Writes, deletes and restarts leave no trace in what filters say`(seed: UInt64) async throws {
        var random = Xoshiro256(seed: seed)
        let directory = try TemporaryDirectory()
        var engine = try EngineFixture.open(directory.path, shards: Self.shards, lanes: 2)
        var log = TestLog()
        log.create(dimension: Self.dimension)
        var twin = Twin()
        for round in 0..<40 {
            try write(engine, &log, &twin, &random)
            try compare(engine, twin, &random)
            if round % 10 == 3 { try await waitUntilFilled(engine) }
            if round % 10 == 9 {
                try EngineFixture.close(engine)
                engine = try EngineFixture.open(directory.path, shards: Self.shards, lanes: 2)
            }
        }
        try await waitUntilFilled(engine)
        try compare(engine, twin, &random)
        let fields = try #require(engine.collection(EngineFixture.collection)).fields[0]
        #expect(fields.bytes > 0, "fields are in memory")
        try EngineFixture.close(engine)
    }
}
