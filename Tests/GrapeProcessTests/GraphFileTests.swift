import Foundation
import GrapeBench
import GrapeModel
import GrapeTestKit
import Testing

/// `grape-bench index --graph`: a graph that was kept answers as the one that was built, and is taken for no other's.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct GraphFileTests {
    private static let rows = 1_500
    private static let columns = 32
    private let site: Site
    private let folder: TemporaryDirectory

    init() throws {
        site = try Site()
        folder = try TemporaryDirectory()
        var generator = Xoshiro256(seed: 11)
        let base = (0..<Self.rows * Self.columns).map { _ in Float.random(in: -1...1, using: &generator) }
        try write("base", "<f4", columns: Self.columns, base.map(\.bitPattern))
        // The first rows ask for themselves.
        try write("queries", "<f4", columns: Self.columns, base.prefix(100 * Self.columns).map(\.bitPattern))
        try write("truth", "<i4", columns: 10, (0..<1_000).map { UInt32($0 / 10 + $0 % 10 * 100) })
        try write("other", "<f4", columns: Self.columns, base.dropLast().map(\.bitPattern) + [Float(0.5).bitPattern])
        try write("fewer", "<f4", columns: Self.columns, base.dropLast(Self.columns).map(\.bitPattern))
    }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    private func write(_ name: String, _ type: String, columns: Int, _ words: [UInt32]) throws {
        let shape = "(\(words.count / columns), \(columns))"
        let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }\n"
        var bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
        for word in words { bytes += (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
        try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
    }

    private func index(_ base: String = "base", _ more: [String] = []) async throws -> (status: Int32, output: String) {
        let files = ["--base", path(base), "--queries", path("queries"), "--truth", path("truth")]
        let options = ["--threads", "1", "--passes", "1", "--quantization", "binary", "--graph", path("graph")]
        return try await site.run("grape-bench", arguments: ["index", "--json", "--ef", "10"] + files + options + more)
    }

    /// The recall of a run, which depends on the graph.
    private func recall(_ run: (status: Int32, output: String)) throws -> Double {
        try #require(run.status == 0, "\(run.output)")
        let report = try JSONValue(parsing: String(run.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        return try #require(report["points"]?.arrayValue?.first?["recall_at_10"]?.doubleValue)
    }

    private func expectRefused(_ run: (status: Int32, output: String), _ reason: String) {
        #expect(run.status == 1)
        #expect(run.output.hasPrefix("Error: \(path("graph")): \(reason)"), "\(run.output)")
    }

    @Test("a kept graph is read, not built again, and finds the same")
    func roundTrip() async throws {
        let built = try recall(try await index())
        #expect(built > 0)
        let kept = try Data(contentsOf: URL(fileURLWithPath: path("graph")))
        #expect(try recall(try await index()) == built)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path("graph"))) == kept)
        #expect(!FileManager.default.fileExists(atPath: path("graph") + ".partial"))
    }

    @Test("a graph of other vectors, or made otherwise, is refused")
    func others() async throws {
        _ = try recall(try await index())
        expectRefused(try await index("other"), "the graph of 1500 vectors")
        expectRefused(try await index("fewer"), "the graph of 1500 vectors")
        expectRefused(try await index("base", ["--ef-construction", "100"]), "the graph of 1500 vectors")
        expectRefused(try await index("base", ["--m", "8"]), "chunk 0 is not of a graph with these parameters")
    }

    @Test("a file that is cut off, or no graph, or of another format, is refused")
    func damaged() async throws {
        _ = try recall(try await index())
        let url = URL(fileURLWithPath: path("graph"))
        let whole = try Data(contentsOf: url)
        // In the header, behind it, in a chunk, behind the last chunk.
        for length in [10, 24, 28, whole.count / 2, whole.count - 8] {
            try whole.prefix(length).write(to: url)
            expectRefused(try await index(), "is cut off")
        }
        for (place, reason) in [(0, "not a graph"), (4, "format 2, expected 1")] {
            var other = whole
            other[place] ^= 3
            try other.write(to: url)
            expectRefused(try await index(), reason)
        }
    }
}
