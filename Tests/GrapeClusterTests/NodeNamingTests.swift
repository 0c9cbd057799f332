import GrapeCluster
import GrapeModel
import GrapeTestKit
import Logging
import Testing

/// A search that asks for ids and scores alone is answered from the index; it must say nothing else than one that reads
/// rows.
@Suite struct NodeNamingTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open() async throws -> Node {
        try await Node.open(
            NodeOptions(dataDirectory: directory.path), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private static let uuid = "A8098C1A-F86E-11DA-BD1A-00112444BE1E"

    private func point(_ id: WrittenID, _ x: Float) -> Point {
        Point(id: id, vectors: [NamedVector(values: [x, 1])], payload: .empty)
    }

    private func texts(_ node: Node, withPayload: Bool) async throws -> [WrittenID] {
        let request = SearchRequest(vector: [1, 1], limit: 10, withPayload: withPayload)
        return try await node.search(request, in: "default").value.map(\.id)
    }

    @Test func `Ids come back as they were last written, with rows and without, also after a restart`() async throws {
        var node = try await open()
        let ids = [
            WrittenID(number: 7), try WrittenID(text: "8"), try WrittenID(text: Self.uuid),
            try WrittenID(text: "a8098c1a-f86e-11da-bd1a-00112444be1f"), try WrittenID(text: "doc-1"),
        ]
        for (place, id) in ids.enumerated() {
            _ = try await node.upsert([point(id, 1 + Float(place) / 8)], into: "default")
        }
        #expect(try await texts(node, withPayload: false) == ids)
        #expect(try await texts(node, withPayload: true) == ids)
        // Without the one id whose spelling only its row has, nothing is read at all.
        #expect(try await node.delete([ids[2].id], from: "default") == [true])
        let kept = ids.filter { $0 != ids[2] }
        #expect(try await texts(node, withPayload: false) == kept)
        await node.close()
        node = try await open()
        for withPayload in [false, true, false] { #expect(try await texts(node, withPayload: withPayload) == kept) }
        await node.close()
    }

    @Test func `The form of an id follows its last write`() async throws {
        let node = try await open()
        _ = try await node.upsert([point(WrittenID(number: 7), 1)], into: "default")
        #expect(try await texts(node, withPayload: false) == [WrittenID(number: 7)])
        _ = try await node.upsert([point(try WrittenID(text: "7"), 1)], into: "default")
        #expect(try await texts(node, withPayload: false) == [try WrittenID(text: "7")])
        _ = try await node.upsert([point(WrittenID(number: 7), 1)], into: "default")
        #expect(try await texts(node, withPayload: false) == [WrittenID(number: 7)])
        #expect(try await texts(node, withPayload: true) == [WrittenID(number: 7)])
        await node.close()
    }

    @Test func `A call on the search pool is answered there, and refused when the node is closed`() async throws {
        let node = try await open()
        _ = try await node.upsert([point(WrittenID(number: 7), 1)], into: "default")
        let pool = node.pool
        let found = try await Task(executorPreference: pool) { try await texts(node, withPayload: true) }.value
        #expect(found == [WrittenID(number: 7)])
        await node.close()
        let refused = await Task(executorPreference: pool) {
            await code { _ = try await node.search(SearchRequest(vector: [1, 1]), in: "default") }
        }.value
        #expect(refused == .unavailable)
    }

    private func code(_ body: () async throws -> Void) async -> GrapeError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? GrapeError)?.code
        }
    }
}
