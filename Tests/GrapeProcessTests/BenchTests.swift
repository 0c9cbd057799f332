import Foundation
import GrapeBench
import GrapeModel
import Testing

/// `grape-bench` against the shipped sample.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct BenchTests {
    private static let sample = packageRoot.appendingPathComponent("bench/sample")
    private static let queries = [
        "--queries", sample.appendingPathComponent("queries.f16.npy").path,
        "--truth", sample.appendingPathComponent("truth_all.npy").path,
    ]
    private static let base = ["--base", sample.appendingPathComponent("base.f16.npy").path]

    private func json(_ output: String) throws -> JSONValue {
        try JSONValue(parsing: String(output.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    @Test("index builds the sample and finds what is nearest")
    func index() async throws {
        let (status, output) = try await Site().run(
            "grape-bench", arguments: ["index", "--json", "--ef", "32,128"] + Self.base + Self.queries)
        try #require(status == 0, "\(output)")
        let report = try json(output)
        #expect(report["rows"]?.intValue == 3_000)
        let points = try #require(report["points"]?.arrayValue)
        #expect(points.compactMap { $0["ef"]?.intValue } == [32, 128])
        #expect(try #require(points[1]["recall_at_10"]?.doubleValue) >= 0.99)
        #expect(try #require(report["build"]?["cpu_seconds"]?.doubleValue) > 0)
        #expect(try #require(report["memory_bytes"]?.intValue) > 3_000 * 384 * 4)
    }

    @Test("load and search a server: no errors, exact search equals the truth")
    func loadAndSearch() async throws {
        let site = try Site()
        let server = try site.start()
        let endpoint = ["--endpoint", "\(try await server.healthyEndpoint())"]
        let payload = ["--payload", Self.sample.appendingPathComponent("payload.jsonl.gz").path]
        for collection in [[], ["--collection", "words"]] {
            let loaded = try await site.run(
                "grape-bench", arguments: ["load", "--json"] + endpoint + Self.base + payload + collection)
            try #require(loaded.status == 0, "\(loaded.output)")
            #expect(try json(loaded.output)["load"]?["errors"]?.intValue == 0)
            for (options, recall) in [(["--exact"], 0.999), (["--ef", "100"], 0.95)] {
                let searched = try await site.run(
                    "grape-bench",
                    arguments: ["search", "--json", "--duration", "1"] + endpoint + Self.queries + options + collection)
                try #require(searched.status == 0, "\(searched.output)")
                let point = try #require(try json(searched.output)["points"]?.arrayValue?.first)
                #expect(try #require(point["recall_at_10"]?.doubleValue) >= recall)
            }
        }
        try await server.killNow()
    }

    @Test("where no server answers it says so in one line, at once")
    func noServer() async throws {
        let arguments = ["load", "--endpoint", "http://127.0.0.1:1"] + Self.base
        let (status, output) = try await Site().run("grape-bench", arguments: arguments)
        #expect(status == 1)
        #expect(output.hasPrefix("Error: http://127.0.0.1:1: no connection"), "\(output)")
    }
}
