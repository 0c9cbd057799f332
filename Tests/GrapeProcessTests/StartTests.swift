import Foundation
import GrapeBench
import NIOCore
import NIOPosix
import Testing

/// What stops a start, and how the server says so.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct StartTests {
    @Test("a port in use is named, with status 69")
    func portInUse() async throws {
        let holder = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(holder.localAddress?.port)
        let server = try Site().start(extra: ["--rest-port", "\(port)"])
        #expect(try await server.waitForEnd() == 69)
        #expect(server.logText.contains("\(port)"), "\(server.logEnd)")
        #expect(server.logText.contains("in use"), "\(server.logEnd)")
        try await holder.close().get()
    }

    @Test("a data directory in use is named, with status 75, and its owner goes on")
    func dataDirectoryInUse() async throws {
        let site = try Site()
        let owner = try site.start()
        let endpoint = try await owner.healthyEndpoint()
        let second = try site.start()
        #expect(try await second.waitForEnd() == 75)
        #expect(second.logText.contains(site.data.lastPathComponent), "\(second.logEnd)")
        #expect(second.logText.contains("in use"), "\(second.logEnd)")
        let connection = try await connect(endpoint)
        #expect(try await connection.exchange(HTTPRequest(.GET, "/health")).status == 200)
        await connection.close()
        try await owner.killNow()
    }

    @Test("an unknown key is one line: file, line, key and the nearest one, with status 78")
    func unknownKey() async throws {
        let site = try Site()
        let file = try site.write("[server]\nlog_level = \"info\"\nrest_prot = 7333\n", to: "node.toml")
        for arguments in [["--config", file], ["--config", file, "--check"]] {
            let (status, output) = try await site.run(arguments: arguments)
            #expect(status == 78)
            #expect(output.split(separator: "\n").count == 1, "\(output)")
            for part in ["node.toml:3", "rest_prot", "rest_port"] { #expect(output.contains(part), "\(output)") }
        }
    }

    @Test("--check says that a file is valid, and starts nothing")
    func check() async throws {
        let site = try Site()
        let data = site.data.path
        let file = try site.write("[server]\nrest_port = 7333\ndata_dir = \"\(data)\"\n", to: "node.toml")
        let (status, output) = try await site.run(arguments: ["--config", file, "--check"])
        #expect(status == 0)
        #expect(output.contains("valid"), "\(output)")
        #expect(!FileManager.default.fileExists(atPath: data))
    }

    @Test("another shard_count than the directory's stops the start and names both")
    func otherShardCount() async throws {
        let site = try Site()
        let first = try site.start()
        _ = try await first.healthyEndpoint()
        first.send(SIGTERM)
        #expect(try await first.waitForEnd() == 0)
        let second = try site.start(extra: ["--sharding.shard-count", "8"])
        let status = try await second.waitForEnd()
        #expect(status == 73 || status == 78)
        #expect(second.logText.contains("16") && second.logText.contains("8"), "\(second.logEnd)")
    }
}
