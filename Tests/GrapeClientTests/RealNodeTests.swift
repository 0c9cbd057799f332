import GrapeAPI
import GrapeClient
import GrapeCluster
import GrapeTestKit
import Logging
import Testing

/// The client against a node's own REST port.
@Suite struct RealNodeTests {
    @Test func pointsAreWrittenReadFoundAndDeleted() async throws {
        try await withNode { (client) async throws in
            try await client.upsertPoint(.init(id: 7, vector: [1, 0], payload: ["lang": "en", "n": 1]))
            let points = (0..<20).map { ClusterClient.Point(id: .text("p/\($0) ü"), vector: [1, Float($0)]) }
            #expect(try await client.upsertPoints(points) == 20)
            let point = try await client.point(id: "7")
            #expect(point == ClusterClient.Point(id: 7, vector: [1, 0], payload: ["lang": "en", "n": 1]))
            #expect(try await client.point(id: "p/3 ü", consistency: .eventual)?.vector == [1, 3])
            #expect(try await client.point(id: "none") == nil)

            let filter: JSONValue = ["must": [["key": "lang", "match": ["value": "en"]]]]
            let found = try await client.search([0, 1], filter: filter)
            #expect(found.map(\.id) == [7] && found[0].payload["n"] == 1 && found[0].vector.isEmpty)
            var search = ClusterClient.Search([0, 1], limit: 2)
            search.withVector = true
            search.withPayload = false
            let batch = try await client.searchBatch([search, .init([1, 0], limit: 1)])
            #expect(batch.map { $0.map(\.id) } == [["p/19 ü", "p/18 ü"], [7]])
            #expect(batch[0][0].vector == [1, 19] && batch[0][0].payload.isEmpty)

            #expect(try await client.deletePoint(id: "p/3 ü"))
            #expect(try await !client.deletePoint(id: "p/3 ü"))
        }
    }

    @Test func collectionsAreMadeListedAndDropped() async throws {
        try await withNode { (client) async throws in
            try await client.createCollection("books 📚", dimension: 2, metric: .euclidean)
            let again = await #expect(throws: GrapeError.self) {
                try await client.createCollection("books 📚", dimension: 2)
            }
            #expect(again?.code == .conflict)
            try await client.upsertPoint(.init(id: "a", vector: [3, 4]), in: "books 📚")
            #expect(try await client.search([0, 0], in: "books 📚").map(\.score) == [5])
            #expect(try await client.collections() == ["books 📚"])
            #expect(try await client.clusterInfo()["shard_count"] == 16)
            #expect(try await client.dropCollection("books 📚"))
            #expect(try await !client.dropCollection("books 📚"))
        }
    }

    @Test func aClosedClientSaysSo() async throws {
        try await withNode { (client) async throws in
            await client.close()
            let error = await #expect(throws: GrapeError.self) { try await client.search([1]) }
            #expect(error?.code == .unavailable)
        }
    }

    private func withNode(_ body: (ClusterClient) async throws -> Void) async throws {
        var options = APIOptions()
        options.restPort = 0
        let directory = try TemporaryDirectory()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let serving = ServingState()
        let rest = RESTServer(options: options, serving: serving, metrics: ServerMetrics(options), logger: logger)
        let running = Task { try await rest.run() }
        let node = try await Node.open(NodeOptions(dataDirectory: directory.path + "/data"), logger: logger)
        serving.serve(node)
        var patience = ClusterClient.Options()
        patience.timeout = .seconds(300)
        patience.attemptTimeout = .seconds(120)
        let url = "http://127.0.0.1:\(try await rest.boundPort())"
        let client = try ClusterClient(endpoints: [url], options: patience)
        do {
            try await body(client)
        } catch {
            Issue.record("\(error)")
        }
        await client.close()
        running.cancel()
        _ = try? await running.value
        await node.close()
    }
}
