import Foundation
import GrapeBench
import NIOPosix
import Synchronization

/// One run of the real server program, on free ports of 127.0.0.1.
///
/// Thread safety: everything that changes is in the process itself or behind `Process`, which is only asked for its
/// state. Every wait is bounded.
final class ServerProcess: Sendable {
    /// What went wrong with a program under test, with the end of its log.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let process: Mutex<Process>
    let identifier: Int32
    let log: URL
    /// Lives as long as this process is of interest.
    private let site: Site

    /// Seconds that a start, an answer or an end may take on a busy machine.
    static let patience = 30.0

    /// Programs are built beside the bundle that holds the tests.
    static func program(_ name: String) throws -> URL {
        let products = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            .deletingLastPathComponent()
        let program = products.appendingPathComponent(name)
        guard FileManager.default.isExecutableFile(atPath: program.path) else {
            throw Failure(description: "\(program.path) is not there; build all products first")
        }
        return program
    }

    /// Starts a program with a log of its own among the site's files.
    init(_ name: String, arguments: [String], at site: Site) throws {
        log = site.newLog()
        self.site = site
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        let process = Process()
        process.executableURL = try Self.program(name)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        // Settings of the shell that runs the tests must not reach the server.
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("GRAPE_") }
        try process.run()
        identifier = process.processIdentifier
        self.process = Mutex(process)
    }

    deinit {
        if isRunning { kill(identifier, SIGKILL) }
    }

    var isRunning: Bool { process.withLock { $0.isRunning } }

    func send(_ signal: Int32) {
        kill(identifier, signal)
    }

    /// The exit status, or the number of the signal that ended it, made negative.
    func waitForEnd(seconds: Double = patience) async throws -> Int32 {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while isRunning {
            guard ContinuousClock.now < deadline else {
                throw Failure(description: "process \(identifier) still runs after \(seconds) s\n\(logEnd)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        return process.withLock { $0.terminationReason == .exit ? $0.terminationStatus : -$0.terminationStatus }
    }

    /// kill -9: nothing gets the chance to be written.
    func killNow() async throws {
        send(SIGKILL)
        _ = try await waitForEnd()
    }

    var logText: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }
    var logEnd: String { logText.split(separator: "\n").suffix(8).joined(separator: "\n") }
}

// MARK: - Serving

extension ServerProcess {
    /// The REST port, from the log of this run.
    private func endpoint() -> Endpoint? {
        let pattern = /"rest":"(http:\/\/127\.0\.0\.1:\d+)"/
        return logText.matches(of: pattern).last.flatMap { Endpoint(text: String($0.output.1)) }
    }

    /// Where the server answers, once /health says 200.
    func healthyEndpoint(seconds: Double = patience) async throws -> Endpoint {
        let deadline = ContinuousClock.now + .seconds(seconds)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        while ContinuousClock.now < deadline, isRunning {
            if let endpoint = endpoint(), let connection = try? await HTTPConnection.open(endpoint, on: loop) {
                let answer = try? await connection.exchange(HTTPRequest(.GET, "/health"), timeoutSeconds: 5)
                await connection.close()
                if answer?.status == 200 { return endpoint }
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Failure(description: "the server is not healthy after \(seconds) s or has ended\n\(logEnd)")
    }
}
