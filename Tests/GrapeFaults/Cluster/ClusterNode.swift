import Foundation
import Synchronization

/// One node of a cluster on this machine: a directory, ports, and the server processes that run on it one after the
/// other.
///
/// Thread safety: what changes is behind one lock. Every wait is bounded. A process that still runs when the node goes
/// is killed.
package final class ClusterNode: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        package init(_ description: String) {
            self.description = description
        }
    }

    private struct Running {
        var process: Process?
        var starts = 0
        var log: URL?
    }

    package let id: String
    package let ports: NodePorts
    package let directory: URL
    /// Settings that every start of the node gets.
    private let settings: [String]
    private let state = Mutex(Running())

    /// Seconds that a start or an end may take on a busy machine.
    package static let patience = 30.0

    init(id: String, ports: NodePorts, directory: URL, settings: [String]) throws {
        self.id = id
        self.ports = ports
        self.directory = directory
        self.settings = settings
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit {
        // A stopped process is ended by SIGKILL too.
        if let identifier, isRunning { kill(identifier, SIGKILL) }
    }

    package var isRunning: Bool { state.withLock { $0.process?.isRunning ?? false } }
    /// The process that runs or ran last.
    package var identifier: Int32? { state.withLock { $0.process?.processIdentifier } }

    /// Starts a server. It may not serve yet.
    ///
    /// - Parameter extra: settings of this start only; of one key given twice the last wins.
    package func start(extra: [String] = []) throws {
        let program = try Self.server()
        try state.withLock { state in
            precondition(!(state.process?.isRunning ?? false), "\(id) runs already")
            state.starts += 1
            let log = directory.appendingPathComponent("log-\(state.starts).txt")
            try Data().write(to: log)
            let output = try FileHandle(forWritingTo: log)
            let process = Process()
            process.executableURL = program
            process.arguments = settings + extra
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = output
            // Settings of the shell must not reach the server.
            process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("GRAPE_") }
            try process.run()
            state.process = process
            state.log = log
        }
    }

    package func send(_ signal: Int32) {
        if let identifier, isRunning { kill(identifier, signal) }
    }

    /// The exit status, or the number of the signal that ended the process, made negative.
    @discardableResult
    package func waitForEnd(seconds: Double = patience) async throws -> Int32 {
        guard await poll(for: .seconds(seconds), { !self.isRunning }) else {
            throw Failure("\(id) still runs after \(seconds) s\n\(logEnd)")
        }
        return state.withLock { state in
            guard let process = state.process else { return 0 }
            return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        }
    }

    /// kill -9: nothing gets the chance to be written.
    package func killNow() async throws {
        send(SIGKILL)
        try await waitForEnd()
    }

    /// SIGTERM, as an operator or a supervisor does.
    package func stop() async throws {
        send(SIGTERM)
        try await waitForEnd()
    }

    /// Takes the data away, as a replaced disk does.
    package func wipe() throws {
        precondition(!isRunning, "\(id) runs on the directory that is to be wiped")
        try FileManager.default.removeItem(at: data)
    }

    package var data: URL { directory.appendingPathComponent("data") }
    package var logText: String {
        state.withLock { $0.log }.flatMap { try? String(contentsOf: $0, encoding: .utf8) } ?? ""
    }
    package var logEnd: String { "\(id): " + logText.split(separator: "\n").suffix(8).joined(separator: "\n") }

    /// Programs are built beside the one that runs now, or beside the bundle that holds the tests.
    private static func server() throws -> URL {
        let products = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            .deletingLastPathComponent()
        let program = products.appendingPathComponent("grape-vector-db-server")
        guard FileManager.default.isExecutableFile(atPath: program.path) else {
            throw Failure("\(program.path) is not there; build all products first")
        }
        return program
    }
}
