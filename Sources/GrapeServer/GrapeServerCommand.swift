import ArgumentParser
import Foundation
import GrapeConfiguration
import Logging

/// `grape-vector-db-server`: reads the configuration and runs the server, or only says whether it could.
///
/// Keys of the configuration are flags too. They are not declared here but come from `ConfigurationKey.all`, so the
/// parser hands over what it does not know.
@main
struct GrapeServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grape-vector-db-server",
        abstract: "Grape, a vector database. Without arguments: a single node on 127.0.0.1 with its data in ./data.",
        usage: "grape-vector-db-server [--config FILE] [--check] [--<table>.<key> VALUE ...]",
        discussion: """
            Precedence: built-in default < file < environment (GRAPE_<TABLE>_<KEY>) < flag. Lists are split at commas. \
            A true/false flag may stand without a value.

            Exit status: 0 stopped on request or valid; 64 command line; 65 damaged data; 69 port unavailable; \
            70 internal error; 73 cannot start; 74 disk error; 75 data directory in use; 78 configuration.

            Settings:

            \(ConfigurationReference.flags)
            """,
        version: GrapeVersion.current)

    @Option(name: .long, help: ArgumentHelp("Configuration file (TOML).", valueName: "file"))
    var config: String?

    @Flag(name: .long, help: "Only validate the configuration.")
    var check = false

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var settings: [String] = []

    func run() async throws {
        let configuration = try loadedConfiguration()
        if check { return report(on: configuration) }
        guard configuration.unsupported.isEmpty else {
            throw stop(.configuration, configuration.unsupported.joined(separator: "; "))
        }
        LogHandlers.bootstrap(configuration.server)
        let logger = Logger(label: "grape")
        for warning in configuration.warnings { logger.warning("\(warning)") }
        do {
            try await Server(configuration: configuration).run()
        } catch {
            let failure = ServerFailure(error)
            logger.critical("\(failure.message)", metadata: ["exit_status": "\(failure.status.rawValue)"])
            throw ExitCode(failure.status.rawValue)
        }
    }

    private func loadedConfiguration() throws -> Configuration {
        let overrides: [ConfigurationOverride]
        do {
            overrides = try ConfigurationFlags.parse(settings)
        } catch {
            throw stop(.usage, error.description)
        }
        do {
            return try Configuration.load(
                file: try config.map { (path) throws(ConfigurationError) in try ConfigurationFile.read(path) },
                environment: ProcessInfo.processInfo.environment, overrides: overrides,
                hostName: ProcessInfo.processInfo.hostName)
        } catch {
            throw stop(.configuration, error.description)
        }
    }

    /// The answer to `--check`: whether the configuration is valid, and what of it this build can't run yet.
    private func report(on configuration: Configuration) {
        print("\(config ?? "configuration"): valid (\(configuration.isClustered ? "cluster" : "single node"))")
        if !configuration.unsupported.isEmpty {
            print("not in this build: \(configuration.unsupported.joined(separator: "; "))")
        }
        for warning in configuration.warnings { Self.writeLine("warning: \(warning)") }
    }

    /// Tells the operator on one line; the error to throw carries nothing but the status.
    private func stop(_ status: ExitStatus, _ line: String) -> ExitCode {
        Self.writeLine(line)
        return ExitCode(status.rawValue)
    }

    private static func writeLine(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
    }
}
