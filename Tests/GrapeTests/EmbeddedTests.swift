import Grape
import GrapeTestKit
import Testing

@Suite struct EmbeddedTests {
    @Test func `The example of the documentation runs`() async throws {
        let directory = try TemporaryDirectory()
        let db = try await Grape.open(at: directory.path + "/vectors")
        try await db.upsert(id: "doc-1", vector: [0.1, 0.2, 0.3], payload: ["title": "First"])
        try await db.upsert([
            Grape.Point(id: "doc-2", vector: [0.3, 0.2, 0.1], payload: ["title": "Second", "tags": ["x", "y"]]),
            Grape.Point(id: 3, vector: [-0.1, -0.2, -0.3]),
        ])
        let matches = try await db.search([0.1, 0.2, 0.3], limit: 2)
        #expect(matches.map(\.id) == ["doc-1", "doc-2"])
        #expect(matches[0].payload["title"] == "First")
        let filtered = try await db.search(
            [0.1, 0.2, 0.3], filter: ["must": [["key": "tags", "match": ["value": "x"]]]])
        #expect(filtered.map(\.id) == ["doc-2"])
        #expect(try await db.get(id: "3")?.id == 3)
        #expect(try await db.delete(id: 3))
        #expect(try await db.delete(id: 3) == false)
        #expect(try await db.count == 2)
        await db.close()

        let again = try await Grape.open(at: directory.path + "/vectors")
        #expect(try await again.get(id: "doc-2")?.vector == [0.3, 0.2, 0.1])
        await again.close()
    }

    @Test func `A database that nobody closed keeps its points and gives its directory free`() async throws {
        let directory = try TemporaryDirectory()
        var db: Grape? = try await Grape.open(at: directory.path)
        try await db?.upsert(id: "a", vector: [1, 2])
        db = nil
        let deadline = ContinuousClock.now + .seconds(60)
        var again: Grape?
        while again == nil, ContinuousClock.now < deadline {
            again = try? await Grape.open(at: directory.path)
            if again == nil { try await Task.sleep(for: .milliseconds(20)) }
        }
        #expect(try await again?.get(id: "a")?.vector == [1, 2])
        await again?.close()
    }

    @Test func `An empty database finds nothing and counts nothing`() async throws {
        let directory = try TemporaryDirectory()
        let db = try await Grape.open(at: directory.path)
        #expect(try await db.search([1, 2, 3]).isEmpty)
        #expect(try await db.get(id: "x") == nil)
        #expect(try await db.delete(id: "x") == false)
        #expect(try await db.count == 0)
        await db.close()
        await #expect(throws: GrapeError.self) { try await db.search([1, 2, 3]) }
    }
}
