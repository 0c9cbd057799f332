import Foundation

/// Runs `grape-simulate` beside the test bundle, so that even a trap in a run is seen as a failure with a seed.
enum SimulateProcess {
    struct Result {
        var status: Int32
        var output: String
    }

    /// Waits on a thread of its own: a run takes minutes, and the tests beside it share a pool of as many threads as there
    /// are cores. For their sake the process is also the one that waits where cores are short.
    static func run(_ arguments: [String]) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try runToTheEnd(arguments) }) }
        }
    }

    private static func runToTheEnd(_ arguments: [String]) throws -> Result {
        let program = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "grape-simulate")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["nice", "-n", "10", program.path] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(status: process.terminationStatus, output: String(decoding: data, as: UTF8.self))
    }
}
