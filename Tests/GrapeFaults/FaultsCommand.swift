import ArgumentParser
import Dispatch
import Foundation

/// `grape-faults`: three real servers, clients that remember what they saw, and one fault after the other.
@main
struct FaultsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grape-faults",
        abstract: "Kills, pauses and cuts off nodes of a cluster under load, and judges every answer.",
        discussion: """
            Exit status: 0 nothing happened that the contract forbids; 1 something did; 2 the run could not be made. \
            Faults: \(FaultKind.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @Option(help: "Phases begin until so many seconds have passed (default: 60, or without end if --phases is given).")
    var seconds: Double?
    @Option(help: "End after so many phases.")
    var phases: Int?
    @Option(help: "What faults and clients follow from (default: from the clock).")
    var seed: UInt64?
    @Option(help: "Nodes; with one there are no partitions.")
    var nodes = 3
    @Option(help: "Clients that work at the same time.")
    var clients = 8
    @Option(help: ArgumentHelp("Only these faults.", valueName: "fault,fault"))
    var faults: String?
    @Option(name: .customLong("election-timeout-ms"), help: "raft.election_timeout_ms of the nodes.")
    var electionTimeoutMilliseconds = 1_000
    @Option(help: "Directory for the nodes' data and logs, and for histories that were violated; it is kept.")
    var directory: String?
    @Option(help: "File for the report as JSON.")
    var json: String?

    func validate() throws {
        guard (1...7).contains(nodes) else { throw ValidationError("--nodes \(nodes): expected 1 to 7") }
        guard (1...64).contains(clients) else { throw ValidationError("--clients \(clients): expected 1 to 64") }
        guard electionTimeoutMilliseconds >= 200 else {
            throw ValidationError("--election-timeout-ms \(electionTimeoutMilliseconds): expected 200 or more")
        }
        _ = try kinds()
    }

    func run() async throws {
        let options = try campaignOptions()
        print("seed \(options.seed), nodes and logs in \(options.directory?.path ?? "")")
        let interrupted = StopSignal()
        let signals = Self.watch(interrupted)
        let report: CampaignReport
        do {
            report = try await Campaign(options).run { interrupted.isSet }
        } catch {
            FileHandle.standardError.write(Data("grape-faults: \(error)\nseed \(options.seed)\n".utf8))
            throw ExitCode(2)
        }
        for signal in signals { signal.cancel() }
        print("\n" + report.table)
        if let json { try Data(report.json.utf8).write(to: URL(fileURLWithPath: json)) }
        if let own = options.directory, directory == nil, report.isClean {
            try? FileManager.default.removeItem(at: own)
        }
        guard report.isClean else { throw ExitCode(1) }
    }

    private func kinds() throws -> [FaultKind] {
        guard let faults else { return FaultKind.allCases }
        return try faults.split(separator: ",").map { name in
            guard let kind = FaultKind(rawValue: String(name)) else {
                throw ValidationError("--faults \(name): no such fault; see --help")
            }
            return kind
        }
    }

    private func campaignOptions() throws -> Campaign.Options {
        var options = Campaign.Options()
        options.seed = seed ?? UInt64(Date().timeIntervalSince1970 * 1_000)
        options.seconds = seconds ?? (phases == nil ? 60 : .infinity)
        options.phasesMax = phases ?? .max
        options.faults = try kinds()
        options.clients = clients
        options.cluster.nodes = nodes
        options.cluster.electionTimeoutMilliseconds = electionTimeoutMilliseconds
        options.cluster.introduction = options.seed.isMultiple(of: 2) ? .peers : .seeds
        // Kept where something went wrong: the logs tell why.
        let root =
            directory.map { URL(fileURLWithPath: $0, isDirectory: true) }
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("grape-faults-\(options.seed)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        options.directory = root
        options.cluster.directory = root
        options.progress = { line in
            print(line)
            try? FileHandle.standardOutput.synchronize()
        }
        return options
    }

    /// Ends the run at its next phase, so that no server is left behind; a second signal ends at once.
    private static func watch(_ interrupted: StopSignal) -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler {
                guard !interrupted.isSet else { Foundation.exit(2) }
                interrupted.set()
            }
            source.resume()
            return source
        }
    }
}
