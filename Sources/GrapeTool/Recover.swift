import ArgumentParser
import GrapeCluster
import GrapeConfiguration
import GrapeModel
import Logging

struct Recover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a cluster that has lost its majority live again, from one node's data directory.",
        discussion: """
            The directory becomes a cluster of one, with a new id; start its server, then let empty nodes join it. What \
            may be lost is printed. Without --accept-data-loss nothing is changed. Back the directory up first: copy it.
            """)

    @OptionGroup var form: JSONOption

    @Option(name: .long, help: ArgumentHelp("A data directory that no server has open.", valueName: "directory"))
    var dataDir: String

    @Flag(name: .long, help: "Do it.")
    var acceptDataLoss = false

    func run() async throws {
        let (json, path, isAccepted) = (form.json, dataDir, acceptDataLoss)
        try await tool(json: json) {
            let recovery = Recovery(path, version: GrapeVersion.current)
            let outlook = try recovery.outlook()
            let losses = Self.losses(outlook.groups)
            if !json { for line in losses { Terminal.print(line) } }
            guard isAccepted else {
                throw ToolFailure(.refused, "nothing was changed: --accept-data-loss makes \(path) a cluster of one")
            }
            let cluster = try await recovery.run(logger: Logger.quiet)
            Output(json: json).show("\(path) is cluster \(cluster) now, with \(outlook.nodeID) as its only member") {
                writer in
                writer.beginObject()
                writer.field("cluster_id", cluster)
                writer.field("node_id", outlook.nodeID)
                writer.key("may_be_lost")
                writer.beginArray()
                for line in losses { writer.string(line) }
                writer.endArray()
                writer.endObject()
            }
        }
    }

    private static func losses(_ groups: [Recovery.Group]) -> [String] {
        groups.compactMap { group in
            let name = if case .shard(let shard) = group.group { "shard \(shard)" } else { "the catalog" }
            if group.isMissing { return "\(name): all of it, this node has no replica" }
            if group.hadLostLog { return "\(name): writes in its midst, this replica had lost a part of its log" }
            guard group.otherVoters > 0 else { return nil }
            return "\(name): writes behind entry \(group.last) that only the other \(group.otherVoters) voters had "
                + "(known to be committed here: \(group.committed))"
        }
    }
}
