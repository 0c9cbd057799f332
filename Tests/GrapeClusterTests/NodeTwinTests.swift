import GrapeCluster
import GrapeModel
import GrapeTestKit
import Logging
import Testing

/// A node and a dictionary live through the same random writes, deletes, searches and restarts, and must agree.
@Suite struct NodeTwinTests {
    private static let dimension = 8

    private func open(_ path: String) async throws -> Node {
        var options = NodeOptions(dataDirectory: path)
        options.storage.cacheBytes = 8 << 20
        options.storage.writeBufferBytes = 1 << 20
        return try await Node.open(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func randomPoint(_ random: inout Xoshiro256) throws -> Point {
        let number = UInt64.random(in: 0..<400, using: &random)
        let id = number.isMultiple(of: 3) ? WrittenID(number: number) : try WrittenID(text: "p-\(number)")
        let vector = (0..<Self.dimension).map { _ in Float.random(in: -1...1, using: &random) }
        let payload = try Payload(["group": .integer(Int64.random(in: 0..<5, using: &random))])
        return Point(id: id, vectors: [NamedVector(values: vector)], payload: payload)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `Random writes, deletes, reads, searches and restarts agree with a dictionary`(seed: UInt64) async throws {
        let directory = try TemporaryDirectory()
        var random = Xoshiro256(seed: seed)
        var node = try await open(directory.path)
        var twin: [PointID: Point] = [:]
        for step in 0..<300 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<9:
                let points = try (0..<Int.random(in: 1..<20, using: &random)).map { _ in try randomPoint(&random) }
                let result = try await node.upsert(points, into: "default")
                #expect(result.count == Set(points.map(\.id.id)).count)
                for point in points { twin[point.id.id] = point }
            case 9..<13 where !twin.isEmpty:
                let ids = try (0..<4).map { _ in try randomPoint(&random).id.id }
                var expected: [Bool] = []
                for id in ids { expected.append(twin.removeValue(forKey: id) != nil) }
                #expect(try await node.delete(ids, from: "default") == expected, "step \(step)")
            case 13..<15 where !twin.isEmpty:
                let id = try randomPoint(&random).id.id
                #expect(try await node.point(id, in: "default").value == twin[id], "step \(step)")
            case 15..<19 where !twin.isEmpty:
                try await compareSearch(node, twin, &random)
            case 19:
                await node.close()
                node = try await open(directory.path)
            default: continue
            }
        }
        #expect(try await node.collection("default").points == twin.count)
        await node.close()
    }

    private func compareSearch(_ node: Node, _ twin: [PointID: Point], _ random: inout Xoshiro256) async throws {
        let query = (0..<Self.dimension).map { _ in Float.random(in: -1...1, using: &random) }
        let group = Bool.random(using: &random) ? Int64.random(in: 0..<5, using: &random) : nil
        let filter = try group.map { group in
            try Filter(
                JSONDocument(parsing: Array(#"{"must":[{"key":"group","match":{"value":\#(group)}}]}"#.utf8)).root)
        }
        let request = SearchRequest(
            vector: query, limit: 7, filter: filter, withVector: true, exact: Bool.random(using: &random))
        let found = try await node.search(request, in: "default").value
        let matching = twin.values.filter { point in
            group.map { point.payload.json == Array(#"{"group":\#($0)}"#.utf8) } ?? true
        }
        let best = matching.map { Self.cosine(query, $0.vectors[0].values) }.sorted(by: >).prefix(7)
        #expect(found.count == best.count)
        for (result, score) in zip(found, best) {
            #expect(abs(result.score - score) < 1e-5)
            let point = try #require(twin[result.id.id])
            #expect(point.id == result.id)
            #expect(point.payload == result.payload)
            #expect(point.vectors == result.vectors)
            #expect(abs(Self.cosine(query, point.vectors[0].values) - result.score) < 1e-5)
        }
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Float {
        let dot = zip(a, b).map(*).reduce(0, +)
        let norms = a.map { $0 * $0 }.reduce(0, +) * b.map { $0 * $0 }.reduce(0, +)
        return dot / norms.squareRoot()
    }
}
