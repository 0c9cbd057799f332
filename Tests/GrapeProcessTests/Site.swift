import Foundation
import GrapeBench
import GrapeModel
import NIOPosix

/// A data directory with servers that run on it one after the other, each with a log of its own.
///
/// The directory goes when the site goes.
final class Site: Sendable {
    let root: URL
    let data: URL

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("grape-process-\(UUID().uuidString)")
        data = root.appendingPathComponent("data")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: root)
    }

    /// Starts a server on the directory and free ports. It may not serve yet.
    func start(extra: [String] = []) throws -> ServerProcess {
        let arguments = [
            "--server.data-dir", data.path, "--server.bind-address", "127.0.0.1", "--server.rest-port", "0",
            "--server.grpc-port", "0", "--monitoring.prometheus-port", "0", "--server.log-format", "json",
        ]
        return try ServerProcess("grape-vector-db-server", arguments: arguments + extra, at: self)
    }

    /// Runs a program to its end.
    func run(_ program: String = "grape-vector-db-server", arguments: [String]) async throws -> (
        status: Int32, output: String
    ) {
        let process = try ServerProcess(program, arguments: arguments, at: self)
        return (try await process.waitForEnd(seconds: 60), process.logText)
    }

    func write(_ text: String, to name: String) throws -> String {
        let file = root.appendingPathComponent(name)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    func newLog() -> URL {
        root.appendingPathComponent("log-\(UUID().uuidString).txt")
    }
}

/// The root of the package.
let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// Opens a connection; every test's connections share the event loops of the process.
func connect(_ endpoint: Endpoint) async throws -> HTTPConnection {
    try await HTTPConnection.open(endpoint, on: MultiThreadedEventLoopGroup.singleton.next())
}
