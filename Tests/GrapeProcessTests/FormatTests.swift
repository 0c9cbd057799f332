import Foundation
import GrapeBench
import GrapeEngine
import GrapeModel
import GrapeStorage
import Testing

/// A data directory as the first released layout had it is taken over, and one of a later layout is refused.
///
/// The fixture was written by a server of that layout: 42 points in four shards, one of them written twice, one deleted,
/// ids of all forms, a second collection; some of it in table files, some in the log.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct FormatTests {
    private func unpacked() async throws -> Site {
        let archive = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/store-format-1.tar.gz").path
        let site = try Site()
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["tar", "-xzf", archive, "-C", site.root.path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return site
    }

    private static let shards = ["--sharding.shard-count", "4"]

    @Test("a directory of the first layout has all its points, takes writes, and opens again")
    func firstLayout() async throws {
        let site = try await unpacked()
        for round in 0..<2 {
            let server = try site.start(extra: Self.shards)
            let connection = try await connect(try await server.healthyEndpoint())
            for id in 0...40 {
                let answer = try await connection.exchange(HTTPRequest(.GET, "/vectors/\(id)"))
                guard id != 9 else {
                    #expect(answer.status == 404)
                    continue
                }
                let document = try JSONDocument(parsing: answer.bytes)
                let text = document.root.field("payload")?.field("text")?.string
                #expect(text == (id == 7 ? "rewritten" : "point \(id)"), "\(answer.text)")
                let vector = try document.root.field("vector")?.floats(name: "vector")
                #expect(vector == [Float(id + 1), 2, 3, 4])
            }
            let uuid = try await connection.exchange(
                HTTPRequest(.GET, "/vectors/a8098c1a-f86e-11da-bd1a-00112444be1e"))
            #expect(uuid.text.contains("A8098C1A-F86E-11DA-BD1A-00112444BE1E") && uuid.text.contains("uuid"))
            #expect(try await connection.exchange(HTTPRequest(.GET, "/vectors/a%20text")).status == 200)
            let other = try await connection.exchange(HTTPRequest(.GET, "/collections/other/vectors/1"))
            #expect(other.text.contains(#""in":"other""#), "\(other.text)")
            let check = try await connection.exchange(HTTPRequest(.GET, "/cluster/consistency/check?deep=true"))
            #expect(check.text.contains(#"{"consistent":true"#), "\(check.text)")
            let body = Array(#"{"id":\#(100 + round),"vector":[1,2,3,4]}"#.utf8)
            #expect(try await connection.exchange(HTTPRequest(.POST, "/vectors", json: body)).status == 200)
            await connection.close()
            server.send(SIGTERM)
            #expect(try await server.waitForEnd() == 0, "\(server.logEnd)")
        }
    }

    @Test("a directory of a later layout is refused by name, and stays as it is")
    func laterLayout() async throws {
        let site = try await unpacked()
        let key = [0xFF] + Array("format".utf8)
        try write(site, .state, key, [2, 0, 0, 0])
        let server = try site.start(extra: Self.shards)
        #expect(try await server.waitForEnd() != 0)
        #expect(server.logText.contains("written in format 2, this version reads formats up to 1"), "\(server.logEnd)")
    }

    @Test("rows of a later form are refused by family and key")
    func laterRows() async throws {
        for (family, key) in [(ColumnFamily.state, StateKey.group(.shard(ShardID(1)))), (.state, StateKey.member)] {
            let site = try await unpacked()
            let database = try Database.open(path: site.data.path)
            var row = try #require(try database.get(family, key))
            try database.close()
            row[0] = 2
            try write(site, family, key, row)
            let server = try site.start(extra: Self.shards)
            #expect(try await server.waitForEnd() == 65, "\(server.logEnd)")
            #expect(server.logText.contains("no form that this build knows"), "\(server.logEnd)")
        }
    }

    private func write(_ site: Site, _ family: ColumnFamily, _ key: [UInt8], _ value: [UInt8]) throws {
        let database = try Database.open(path: site.data.path)
        do {
            var batch = try database.makeBatch()
            batch.put(family, key: key, value: value)
            try database.write(batch, sync: true)
        }
        try database.close()
    }
}
