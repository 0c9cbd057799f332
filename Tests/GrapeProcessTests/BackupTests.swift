import Foundation
import GrapeBench
import GrapeModel
import Testing

/// Backups of one node by the tool: what comes back is what was there, or nothing comes back.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct BackupTests {
    private static let count = 2_000

    /// A server with points under ids of all kinds, in two collections.
    private func filled(_ site: Site) async throws -> (server: ServerProcess, endpoint: Endpoint) {
        let server = try site.start(extra: ["--sharding.shard-count", "16"])
        let endpoint = try await server.healthyEndpoint()
        let connection = try await connect(endpoint)
        let records = (0..<Self.count).map { Record(id: $0, version: 1) }
        #expect(
            try await connection.exchange(HTTPRequest(.POST, "/vectors/batch", json: Record.batch(records))).status
                == 200)
        let others = #"""
            {"vectors": [{"id": "{A8098C1A-F86E-11DA-BD1A-00112444BE1E}", "vector": [1, 0], "payload": {"n": 1}},
             {"id": "007", "vector": [0, 1]}, {"id": 7, "vector": [0.5, 0.25], "payload": {"t": "sieben", "l": [1, null]}}]}
            """#
        let made = #"{"vectors": {"size": 2, "distance": "Euclid"}}"#
        _ = try await connection.exchange(HTTPRequest(.PUT, "/collections/other", json: Array(made.utf8)))
        let written = try await connection.exchange(
            HTTPRequest(.POST, "/collections/other/vectors/batch", json: Array(others.utf8)))
        #expect(written.status == 200, "\(written.text)")
        await connection.close()
        return (server, endpoint)
    }

    private func url(_ endpoint: Endpoint) -> String { "http://\(endpoint.host):\(endpoint.port)" }

    private func tool(_ site: Site, _ arguments: String...) async throws -> (status: Int32, output: String) {
        try await site.run("grape-tool", arguments: arguments)
    }

    /// Every point of both collections, and an exact search, as one text.
    private func contents(_ endpoint: Endpoint) async throws -> [String] {
        let connection = try await connect(endpoint)
        var found: [String] = []
        for id in stride(from: 0, to: Self.count, by: 7) {
            let answer = try await connection.exchange(HTTPRequest(.GET, "/vectors/\(id)"))
            #expect(try Record(answer: answer, id: id) == Record(id: id, version: 1))
        }
        for id in ["a8098c1a-f86e-11da-bd1a-00112444be1e", "007", "7"] {
            found.append(try await connection.exchange(HTTPRequest(.GET, "/collections/other/vectors/\(id)")).text)
        }
        for seed in 0..<5 {
            var json = JSONWriter()
            json.beginObject()
            json.key("vector")
            json.floats(Record(id: seed, version: 9).vector)
            json.field("exact", true)
            json.endObject()
            let answer = try await connection.exchange(HTTPRequest(.POST, "/vectors/search", json: json.bytes))
            let results = try JSONDocument(parsing: answer.bytes).root.field("results")
            found.append("\(results.map { JSONValue($0) }, default: "none")")
        }
        await connection.close()
        return found
    }

    @Test("a backup restores into a new directory with another shard_count: same ids, payloads, vectors, searches")
    func roundTrip() async throws {
        let site = try Site()
        let (server, endpoint) = try await filled(site)
        let before = try await contents(endpoint)
        let archive = site.root.path + "/backup.tar.gz"
        let made = try await tool(site, "backup", "--endpoint", url(endpoint), "--output", archive, "--json")
        #expect(made.status == 0, "\(made.output)")

        let inUse = try await tool(site, "verify", "--data-dir", site.data.path, "--json")
        #expect(inUse.status == 2 && inUse.output.contains("in use"), "\(inUse.output)")
        server.send(SIGTERM)
        #expect(try await server.waitForEnd() == 0)
        let sound = try await tool(site, "verify", "--data-dir", site.data.path, "--json")
        #expect(sound.status == 0 && sound.output.contains(#""valid":true"#), "\(sound.output)")
        #expect(sound.output.contains(#""points":\#(Self.count + 3)"#), "\(sound.output)")

        let other = try Site()
        let restored = try await tool(
            other, "restore", "--backup", archive, "--data-dir", other.data.path, "--shard-count", "5")
        #expect(restored.status == 0, "\(restored.output)")
        let again = try await tool(other, "restore", "--backup", archive, "--data-dir", other.data.path)
        #expect(again.status == 2 && again.output.contains("exists already"), "\(again.output)")
        let next = try other.start(extra: ["--sharding.shard-count", "5"])
        #expect(try await contents(next.healthyEndpoint()) == before)
        next.send(SIGTERM)
        #expect(try await next.waitForEnd() == 0)

        // What was written since goes with the collection that is replaced.
        let replaced = try await tool(
            other, "restore", "--backup", archive, "--data-dir", other.data.path, "--replace", "--json")
        #expect(replaced.status == 0, "\(replaced.output)")
        let collections = try await tool(other, "inspect", "--data-dir", other.data.path, "collections", "--json")
        #expect(collections.output.matches(of: /"name":"default"/).count == 1, "\(collections.output)")
    }

    @Test("a backup of a directory that no server has open is the same backup")
    func offline() async throws {
        let site = try Site()
        let (server, endpoint) = try await filled(site)
        let before = try await contents(endpoint)
        // Not asked to stop: what is in the log only is in the backup too.
        try await server.killNow()
        let archive = site.root.path + "/offline.tar.gz"
        let made = try await tool(site, "backup", "--data-dir", site.data.path, "--output", archive)
        #expect(made.status == 0, "\(made.output)")
        let checked = try await tool(site, "verify", "--backup", archive, "--json")
        #expect(checked.status == 0 && checked.output.contains(#""points":\#(Self.count + 3)"#), "\(checked.output)")
        let next = try Site()
        let fresh = try next.start()
        let target = try await fresh.healthyEndpoint()
        let restored = try await tool(site, "restore", "--backup", archive, "--endpoint", url(target))
        #expect(restored.status == 0, "\(restored.output)")
        #expect(try await contents(target) == before)
        fresh.send(SIGTERM)
        _ = try await fresh.waitForEnd()
    }

    @Test("a damaged archive restores nothing and leaves nothing; what can't be looked at is another status")
    func damage() async throws {
        let site = try Site()
        let (server, endpoint) = try await filled(site)
        let archive = site.root.path + "/backup.tar.gz"
        _ = try await tool(site, "backup", "--endpoint", url(endpoint), "--output", archive)
        var bytes = try Data(contentsOf: URL(filePath: archive))
        bytes[bytes.count / 2] ^= 4
        let damaged = site.root.path + "/damaged.tar.gz"
        try bytes.write(to: URL(filePath: damaged))
        let found = try await tool(site, "verify", "--backup", damaged, "--json")
        #expect(found.status == 1 && found.output.contains("damaged.tar.gz"), "\(found.output)")
        let other = try Site()
        let refused = try await tool(other, "restore", "--backup", damaged, "--data-dir", other.data.path)
        #expect(refused.status == 1, "\(refused.output)")
        #expect(!FileManager.default.fileExists(atPath: other.data.path))
        let before = try await contents(endpoint)
        let replacing = try await tool(
            site, "restore", "--backup", damaged, "--endpoint", url(endpoint), "--replace")
        #expect(replacing.status == 1, "\(replacing.output)")
        #expect(try await contents(endpoint) == before)

        let missing = try await tool(site, "verify", "--backup", site.root.path + "/none.tar.gz")
        #expect(missing.status == 2, "\(missing.output)")
        let nobody = try await tool(site, "backup", "--endpoint", "http://127.0.0.1:1", "--output", archive + ".2")
        #expect(nobody.status == 2, "\(nobody.output)")
        #expect(try await tool(site, "verify").status == 64)
        server.send(SIGTERM)
        _ = try await server.waitForEnd()
        try spoilTables(site)
        let spoiled = try await tool(site, "verify", "--data-dir", site.data.path, "--json")
        #expect(spoiled.status == 1 && spoiled.output.contains(".sst"), "\(spoiled.output)")
    }

    /// Turns a bit in the midst of the largest table file.
    private func spoilTables(_ site: Site) throws {
        let files = try FileManager.default.contentsOfDirectory(at: site.data, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "sst" }
        let largest = try #require(
            files.max { (try? Data(contentsOf: $0).count) ?? 0 < (try? Data(contentsOf: $1).count) ?? 0 })
        var bytes = try Data(contentsOf: largest)
        bytes[bytes.count / 3] ^= 1
        try bytes.write(to: largest)
    }

    @Test("the newest archives stay, also over a restart; a body that is no request for a snapshot is a 400")
    func keeping() async throws {
        let site = try Site()
        var server = try site.start()
        var endpoint = try await server.healthyEndpoint()
        var connection = try await connect(endpoint)
        let none = try await connection.exchange(HTTPRequest(.GET, "/cluster/backup/latest"))
        #expect(none.status == 404)
        let wrong = try await connection.exchange(
            HTTPRequest(.POST, "/cluster/snapshot", json: Array(#"{"keep": 0}"#.utf8)))
        #expect(wrong.status == 400)
        var ids: [String] = []
        for _ in 0..<4 {
            let answer = try await connection.exchange(
                HTTPRequest(.POST, "/cluster/snapshot", json: Array(#"{"keep": 2}"#.utf8)))
            #expect(answer.status == 200, "\(answer.text)")
            ids.append(try #require(JSONDocument(parsing: answer.bytes).root.field("snapshot_id")?.string))
        }
        await connection.close()
        server.send(SIGTERM)
        _ = try await server.waitForEnd()
        let backups = site.data.appendingPathComponent("backups")
        let names = try FileManager.default.contentsOfDirectory(atPath: backups.path).sorted()
        #expect(names == ids.suffix(2).flatMap { ["\($0).json", "\($0).tar.gz"] })

        // One that a crash cut off is gone at the next start, and known as failed.
        try FileManager.default.createDirectory(
            at: backups.appendingPathComponent("snapshot-20200101000000000-1.partial"),
            withIntermediateDirectories: true)
        server = try site.start()
        endpoint = try await server.healthyEndpoint()
        connection = try await connect(endpoint)
        let failed = try await connection.exchange(HTTPRequest(.GET, "/cluster/snapshot/snapshot-20200101000000000-1"))
        #expect(failed.status == 200 && failed.text.contains(#""state":"failed""#), "\(failed.text)")
        let latest = try await connection.exchange(HTTPRequest(.GET, "/cluster/backup/latest"))
        #expect(latest.status == 200 && latest.bytes.prefix(2) == [0x1f, 0x8b])
        let known = try await connection.exchange(HTTPRequest(.GET, "/cluster/snapshot/\(ids[3])"))
        #expect(known.status == 200 && known.text.contains(#""state":"written""#), "\(known.text)")
        #expect(!FileManager.default.fileExists(atPath: backups.path + "/snapshot-20200101000000000-1.partial"))
        let verified = try await connection.exchange(HTTPRequest(.GET, "/cluster/backup/verify"))
        #expect(verified.text.contains(#""valid":true"#), "\(verified.text)")
        await connection.close()

        // Damage on the disk is named.
        let path = backups.appendingPathComponent(ids[3] + ".tar.gz")
        var bytes = try Data(contentsOf: path)
        bytes[bytes.count - 20] ^= 1
        try bytes.write(to: path)
        connection = try await connect(endpoint)
        let damaged = try await connection.exchange(HTTPRequest(.GET, "/cluster/backup/verify"))
        #expect(damaged.text.contains(#""valid":false"#) && damaged.text.contains(ids[3]), "\(damaged.text)")
        await connection.close()
        server.send(SIGTERM)
        _ = try await server.waitForEnd()
    }
}
