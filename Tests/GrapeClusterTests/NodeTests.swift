import GrapeCluster
import GrapeModel
import GrapeTestKit
import Logging
import Testing

@Suite struct NodeTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ change: (inout NodeOptions) -> Void = { _ in }) async throws(GrapeError) -> Node {
        var options = NodeOptions(dataDirectory: directory.path)
        options.storage.cacheBytes = 8 << 20
        options.storage.writeBufferBytes = 1 << 20
        change(&options)
        return try await Node.open(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func point(_ id: String, _ vector: [Float], _ payload: JSONObject = [:]) throws -> Point {
        Point(id: try WrittenID(text: id), vectors: [NamedVector(values: vector)], payload: try Payload(payload))
    }

    private func code(_ body: () async throws -> Void) async -> GrapeError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? GrapeError)?.code
        }
    }

    @Test func `The first point decides the dimension of the default collection`() async throws {
        let node = try await open()
        _ = try await node.upsert([point("a", [1, 2, 3])], into: "default")
        #expect(
            await code { _ = try await node.upsert([try point("b", [1, 2])], into: "default") } == .dimensionMismatch)
        #expect(try await node.collection("default").schema.vectors[0].dimension == 3)
        await node.close()
    }

    @Test func `A configured dimension holds for the first point too, and nothing is made by a refused one`()
        async throws
    {
        let node = try await open { $0.defaults.dimension = 4 }
        #expect(
            await code { _ = try await node.upsert([try point("b", [1, 2])], into: "default") } == .dimensionMismatch)
        #expect(try await node.collections().isEmpty)
        await node.close()
    }

    @Test func `A batch with one bad point changes nothing`() async throws {
        let node = try await open()
        _ = try await node.upsert([point("a", [1, 2])], into: "default")
        for bad: [Float] in [[1], [.nan, 1], [1, .infinity], [0, 0]] {
            let points = [try point("x", [1, 1]), try point("y", bad)]
            #expect(await code { _ = try await node.upsert(points, into: "default") } != nil)
        }
        #expect(try await node.collection("default").points == 1)
        #expect(try await node.point(.text(Array("x".utf8)), in: "default").value == nil)
        await node.close()
    }

    @Test func `All spellings of an id name one point, which comes back as last written`() async throws {
        let node = try await open()
        let uuid = "a8098c1a-f86e-11da-bd1a-00112444be1e"
        for spelling in [uuid, uuid.uppercased(), "{\(uuid)}", "urn:uuid:\(uuid)", "A8098C1AF86E11DABD1A00112444BE1E"] {
            _ = try await node.upsert([point(spelling, [1, 2])], into: "default")
            let found = try await node.point(PointID(canonical: Array(uuid.utf8)), in: "default").value
            #expect(found?.id.text == spelling)
        }
        _ = try await node.upsert([point("7", [1, 2])], into: "default")
        _ = try await node.upsert(
            [Point(id: WrittenID(number: 7), vectors: [NamedVector(values: [1, 2])])], into: "default")
        #expect(try await node.point(.integer(7), in: "default").value?.id.form == .number)
        #expect(try await node.collection("default").points == 2)
        _ = try await node.upsert([point("007", [1, 2])], into: "default")
        #expect(try await node.collection("default").points == 3)
        await node.close()
    }

    @Test func `A repeated idempotency key is applied once, also when another write came between and after a restart`()
        async throws
    {
        var node = try await open()
        _ = try await node.upsert([point("a", [1, 0])], into: "default", idempotencyKey: "k")
        _ = try await node.upsert([point("a", [0, 1])], into: "default")
        _ = try await node.upsert([point("a", [1, 0])], into: "default", idempotencyKey: "k")
        #expect(try await node.point(.text([97]), in: "default").value?.vectors[0].values == [0, 1])
        await node.close()
        node = try await open()
        _ = try await node.upsert([point("a", [1, 0])], into: "default", idempotencyKey: "k")
        #expect(try await node.point(.text([97]), in: "default").value?.vectors[0].values == [0, 1])
        let other = try point("a", [3, 3])
        #expect(
            await code { _ = try await node.upsert([other], into: "default", idempotencyKey: "k") } == .conflict)
        await node.close()
    }

    @Test func `A dropped collection is gone with its points, and one made anew under its name is empty`() async throws
    {
        var node = try await open()
        let schema = [VectorSchema(dimension: 2, metric: .euclidean)]
        _ = try await node.createCollection("c", vectors: schema)
        #expect(await code { _ = try await node.createCollection("c", vectors: schema) } == .conflict)
        _ = try await node.upsert([point("a", [1, 2]), point("b", [0, 0])], into: "c")
        try await node.dropCollection("c")
        #expect(await code { _ = try await node.point(.text([97]), in: "c") } == .collectionNotFound)
        #expect(await code { try await node.dropCollection("c") } == .collectionNotFound)
        await node.close()
        node = try await open()
        #expect(try await node.collections().isEmpty)
        let again = try await node.createCollection("c", vectors: schema)
        #expect(again.id == CollectionID(2))
        #expect(try await node.search(SearchRequest(vector: [0, 0]), in: "c").value.isEmpty)
        #expect(try await node.collection("c").points == 0)
        await node.close()
    }

    @Test func `Scores, thresholds and offsets follow the metric`() async throws {
        let node = try await open()
        for (name, metric) in [("e", DistanceMetric.euclidean), ("m", .manhattan), ("d", .dotProduct), ("c", .cosine)] {
            _ = try await node.createCollection(name, vectors: [VectorSchema(dimension: 2, metric: metric)])
            _ = try await node.upsert([point("1", [3, 4]), point("2", [6, 8]), point("3", [-3, 4])], into: name)
        }
        func scores(_ name: String, threshold: Float? = nil, offset: Int = 0) async throws -> [Float] {
            let request = SearchRequest(vector: [3, 4], offset: offset, scoreThreshold: threshold)
            return try await node.search(request, in: name).value.map { ($0.score * 1000).rounded() / 1000 }
        }
        #expect(try await scores("e") == [0, 5, 6])
        #expect(try await scores("m") == [0, 6, 7])
        #expect(try await scores("d") == [50, 25, 7])
        #expect(try await scores("c") == [1, 1, 0.28])
        #expect(try await scores("e", threshold: 5) == [0, 5])
        #expect(try await scores("d", threshold: 25) == [50, 25])
        #expect(try await scores("e", offset: 1) == [5, 6])
        #expect(try await scores("e", offset: 3) == [])
        await node.close()
    }

    @Test func `A directory in use, or with another shard count, is refused by name`() async throws {
        let node = try await open()
        do {
            _ = try await open()
            Issue.record("two nodes opened one directory")
        } catch {
            #expect(error.code == .directoryInUse)
            #expect(error.message.contains(directory.path))
        }
        await node.close()
        do {
            _ = try await open { $0.shardCount = 8 }
            Issue.record("another shard count was taken")
        } catch {
            #expect(error.code == .cannotStart)
            #expect(error.message.contains("16") && error.message.contains("8"))
        }
    }

    @Test func `Calls after close are refused`() async throws {
        let node = try await open()
        _ = try await node.upsert([point("a", [1, 2])], into: "default")
        await node.close()
        #expect(await code { _ = try await node.upsert([try point("b", [1, 2])], into: "default") } == .unavailable)
        #expect(await code { _ = try await node.search(SearchRequest(vector: [1, 2]), in: "default") } == .unavailable)
    }

    @Test func `Limits on requests name what is allowed`() async throws {
        let node = try await open { $0.limits.maxBatchSize = 3 }
        let points = try (0..<4).map { try point("p\($0)", [1, 2]) }
        #expect(await code { _ = try await node.upsert(points, into: "default") } == .invalidRequest)
        _ = try await node.upsert(Array(points.prefix(3)), into: "default")
        for limit in [0, 10_001, 1_000_000_000] {
            #expect(
                await code { _ = try await node.search(SearchRequest(vector: [1, 2], limit: limit), in: "default") }
                    == .invalidRequest)
        }
        #expect(
            await code { _ = try await node.search(SearchRequest(vector: [1, .nan]), in: "default") } == .invalidVector)
        await node.close()
    }
}
