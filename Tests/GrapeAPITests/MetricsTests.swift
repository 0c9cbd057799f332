import Foundation
import GrapeModel
import Testing

@Suite(.serialized) struct MetricsTests {
    private func scrape(_ server: TestServer) async throws -> String {
        let connection = try await RawConnection.open(port: server.metricsPort)
        try await connection.send("GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
        let answer = try await connection.response()
        #expect(answer.status == 200)
        #expect(answer.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
        return answer.text
    }

    /// The value of the sample with this name and labels.
    private func value(_ sample: String, in text: String) -> Double? {
        for line in text.split(separator: "\n") where line.hasPrefix(sample + " ") {
            return Double(line.dropFirst(sample.count + 1))
        }
        return nil
    }

    @Test func requestsAreCountedAndScrapesAreNot() async throws {
        try await TestServer.with { (server) async throws in
            _ = try await server.call("POST", "/vectors", #"{"id":1,"vector":[1,2]}"#)
            _ = try await server.call("POST", "/vectors/search", #"{"vector":[1,2]}"#)
            _ = try await server.call(
                "POST", "/vectors/search/batch", #"{"searches":[{"vector":[1,2]},{"vector":[2,2]}]}"#)
            _ = try await server.call("POST", "/vectors/search", #"{"vector":[1,2,3]}"#)
            _ = try await server.call("GET", "/nothing")
            _ = try await scrape(server)
            let text = try await scrape(server)
            #expect(value("grape_queries_total", in: text) == 3)
            #expect(value("grape_errors_total", in: text) == 2)
            let labels = { (operation: String, code: Int) in
                #"grape_request_duration_seconds_count{protocol="rest",operation="\#(operation)",code="\#(code)"}"#
            }
            #expect(value(labels("upsert", 200), in: text) == 1)
            #expect(value(labels("search", 200), in: text) == 1)
            #expect(value(labels("search", 400), in: text) == 1)
            #expect(value(labels("other", 404), in: text) == 1)
            #expect(!text.contains("/metrics"))
            #expect(value(#"grape_query_duration_seconds_count{operation="search"}"#, in: text) == 1)
            let quantile = value(#"grape_query_duration_seconds{operation="search",quantile="0.95"}"#, in: text)
            #expect(quantile.map { $0 > 0 && $0 < 10 } == true)
            #expect(value(#"grape_query_duration_seconds{operation="get",quantile="0.95"}"#, in: text)?.isNaN == true)
        }
    }

    @Test func everyNameOfOneNodeIsThere() async throws {
        try await TestServer.with { (server) async throws in
            _ = try await server.call("POST", "/vectors", #"{"id":1,"vector":[1,2]}"#)
            let text = try await scrape(server)
            for name in [
                "grape_queries_total", "grape_errors_total", "grape_vectors_total", "grape_indexed_vectors_total",
                "grape_memory_usage_bytes", "grape_memory_limit_bytes", "grape_disk_usage_bytes",
                "grape_cache_hit_ratio", "grape_active_connections", "grape_node_up", "process_cpu_seconds_total",
                "process_resident_memory_bytes", "grape_disk_read_bytes_total", "grape_disk_written_bytes_total",
                "grape_network_received_bytes_total", "grape_network_sent_bytes_total", "grape_scrub_running",
                "grape_scrub_rounds_total", "grape_scrub_read_bytes_total", "grape_scrub_index_corrections_total",
                "grape_consistency_shards_inconsistent", "grape_consistency_faults_total",
                "grape_consistency_replicas_damaged", "grape_consistency_replicas_quarantined",
            ] {
                #expect(value(name, in: text) != nil, "\(name)")
            }
            #expect(value("grape_node_up", in: text) == 1)
            #expect(value("grape_vectors_total", in: text) == 1)
            #expect(value("process_resident_memory_bytes", in: text).map { $0 > 1_000_000 } == true)
            #expect(value("process_open_fds", in: text).map { $0 > 3 } == true)
            #expect(value("process_start_time_seconds", in: text).map { $0 > 1_600_000_000 } == true)
            #expect(value("grape_network_received_bytes_total", in: text).map { $0 > 50 } == true)
            for shard in 0..<16 {
                #expect(value(#"grape_shard_healthy{shard="\#(shard)"}"#, in: text) == 1)
                #expect(value(#"grape_shard_points{shard="\#(shard)"}"#, in: text) != nil)
            }
        }
    }

    @Test func aNodeThatIsNotOpenIsDown() async throws {
        try await TestServer.with(opensNode: false) { (server) async throws in
            #expect(value("grape_node_up", in: try await scrape(server)) == 0)
        }
    }

    @Test func promtoolAcceptsThePage() async throws {
        let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/promtool" }
        guard let promtool = paths.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            print("skipped: promtool (Debian package prometheus) is not installed")
            return
        }
        try await TestServer.with { (server) async throws in
            _ = try await server.call("POST", "/vectors", #"{"id":1,"vector":[1,2]}"#)
            _ = try await server.call("POST", "/vectors/search", #"{"vector":[1,2]}"#)
            let text = try await scrape(server)
            let process = Process()
            process.executableURL = URL(fileURLWithPath: promtool)
            process.arguments = ["check", "metrics"]
            let input = Pipe()
            let output = Pipe()
            process.standardInput = input
            process.standardError = output
            process.standardOutput = output
            try process.run()
            try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
            try input.fileHandleForWriting.close()
            let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            #expect(said == "")
        }
    }
}
