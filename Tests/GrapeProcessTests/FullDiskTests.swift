import Foundation
import GrapeBench
import Testing

/// A real full disk under a real server: writes are refused with 507, deletes and reads go on, and when space returns
/// so do writes, without a restart. Nothing acknowledged is lost, nothing refused appears.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct FullDiskTests {
    /// A site whose data directory is a small file system of its own; nil where mounting is not allowed.
    private final class SmallDisk: Sendable {
        let site: Site

        init?(mebibytes: Int) throws {
            site = try Site()
            try FileManager.default.createDirectory(at: site.data, withIntermediateDirectories: true)
            guard try Self.run("mount", "-t", "tmpfs", "-o", "size=\(mebibytes)m", "tmpfs", site.data.path) else {
                return nil
            }
        }

        deinit { _ = try? Self.run("umount", "--lazy", site.data.path) }

        private static func run(_ command: String...) throws -> Bool {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = command
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus == 0
        }

        /// Takes so many bytes, or all that is left.
        func take(_ bytes: Int = .max, as name: String) throws -> URL {
            let file = site.data.appendingPathComponent(name)
            try Data().write(to: file)
            let handle = try FileHandle(forWritingTo: file)
            let block = Data(repeating: 1, count: 65_536)
            var taken = 0
            while taken < bytes, (try? handle.write(contentsOf: block)) != nil { taken += block.count }
            try? handle.close()
            return file
        }
    }

    private static func batch(_ start: Int) -> [UInt8] {
        Record.batch((start..<start + 100).map { Record(id: $0, version: 1) })
    }

    /// Writes batches until one is refused. -> ids of the acknowledged ones.
    private func writeUntilFull(_ connection: HTTPConnection) async throws -> Int {
        for start in stride(from: 0, to: 2_000_000, by: 100) {
            let answer = try await connection.exchange(
                HTTPRequest(.POST, "/vectors/batch", json: Self.batch(start)), timeoutSeconds: 60)
            if answer.status == 507 { return start }
            try #require(answer.status == 200, "\(answer.text)")
        }
        throw ServerProcess.Failure(description: "the disk never filled up")
    }

    @Test func `a full disk refuses writes, serves reads and deletes, and takes writes again when there is space`()
        async throws
    {
        guard let disk = try SmallDisk(mebibytes: 144) else {
            print("skipped: this process may not mount a tmpfs")
            return
        }
        let other = try disk.take(64 << 20, as: "other")
        var server = try disk.site.start(extra: ["--storage.write-buffer-size-mb", "4"])
        var connection = try await connect(try await server.healthyEndpoint())
        let written = try await writeUntilFull(connection)
        #expect(written > 1_000)

        for id in 0..<20 {
            let answer = try await connection.exchange(HTTPRequest(.DELETE, "/vectors/\(id)"))
            #expect(answer.status == 200, "delete on a nearly full disk: \(answer.text)")
        }
        let refused = try await fillUntilRefused(connection, disk)
        #expect(try await connection.exchange(HTTPRequest(.GET, "/vectors/50")).status == 200)
        #expect(try await connection.exchange(HTTPRequest(.GET, "/health")).status == 200)

        for file in refused.files + [other] { try FileManager.default.removeItem(at: file) }
        try await waitUntilWritable(connection)
        await connection.close()
        try await server.killNow()
        server = try disk.site.start()
        connection = try await connect(try await server.healthyEndpoint())
        for id in stride(from: 0, to: written, by: 97) {
            let status = try await connection.exchange(HTTPRequest(.GET, "/vectors/\(id)")).status
            #expect(status == (id < 20 ? 404 : 200), "point \(id)")
        }
        #expect(try await connection.exchange(HTTPRequest(.GET, "/vectors/\(refused.start)")).status == 404)
        await connection.close()
        server.send(SIGTERM)
        #expect(try await server.waitForEnd() == 0)
    }

    /// Takes all that is left, and again what compactions give back, until a write is refused. -> the files that hold
    /// the space, and the first id of the refused batch.
    private func fillUntilRefused(
        _ connection: HTTPConnection, _ disk: SmallDisk
    ) async throws -> (files: [URL], start: Int) {
        var files: [URL] = []
        for start in stride(from: 5_000_000, to: 5_020_000, by: 100) {
            files.append(try disk.take(as: "rest-\(start)"))
            let answer = try await connection.exchange(
                HTTPRequest(.POST, "/vectors/batch", json: Self.batch(start)), timeoutSeconds: 60)
            if answer.status == 507 { return (files, start) }
            try #require(answer.status == 200, "\(answer.text)")
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ServerProcess.Failure(description: "a full disk takes every write")
    }

    private func waitUntilWritable(_ connection: HTTPConnection) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            let answer = try await connection.exchange(
                HTTPRequest(.POST, "/vectors/batch", json: Self.batch(9_000_000)), timeoutSeconds: 60)
            if answer.status == 200 { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw ServerProcess.Failure(description: "no write is taken 60 s after space returned")
    }
}
