import ArgumentParser
import GrapeModel

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restores a backup into a running cluster of any size, or into a data directory.",
        discussion: """
            The backup is read and checked before anything is written. Its collections show up all at once, when \
            everything in them was compared with the backup; a restore that fails leaves nothing behind.
            """)

    @OptionGroup var place: PlaceOptions
    @OptionGroup var form: JSONOption

    @Option(name: .long, help: ArgumentHelp("The archive to restore.", valueName: "file"))
    var backup: String

    @Flag(name: .long, help: "Take the place of collections that have the names.")
    var replace = false

    @Option(
        name: .long, help: ArgumentHelp("Shards of a data directory that is made (16).", valueName: "number"))
    var shardCount: Int?

    @Option(
        name: .long, help: ArgumentHelp("Node id of a data directory that is made.", valueName: "id"))
    var nodeID = "node-1"

    func validate() throws {
        if let shardCount, !(1...4_096).contains(shardCount) {
            throw ValidationError("--shard-count: expected 1 to 4096")
        }
        guard place.dataDir != nil || shardCount == nil else {
            throw ValidationError("--shard-count is for data directories: a cluster has its own")
        }
    }

    func run() async throws {
        let (place, json, path, replaces, shardCount, nodeID) = (
            place, form.json, backup, replace, shardCount, nodeID
        )
        try await tool(json: json) {
            let contents = try BackupContents(path)
            let target: any RestoreTarget =
                if let directory = place.dataDir {
                    try await DirectoryTarget(directory, shardCount: shardCount, nodeID: nodeID)
                } else {
                    ClusterTarget(endpoint: try Endpoint(place.cluster))
                }
            do {
                try await Restoring(path: path, contents: contents, target: target, replaces: replaces).run()
                await target.close(failed: false)
            } catch {
                await target.close(failed: true)
                throw error
            }
            Self.report(contents, path, Output(json: json))
        }
    }

    private static func report(_ contents: BackupContents, _ path: String, _ output: Output) {
        let lines = contents.collections.map { "  \($0.name): \($0.content.points) points" }
        let text =
            ["restored snapshot \(contents.manifest.id) of \(contents.manifest.createdAt.text)"] + lines
        output.show(text.joined(separator: "\n")) { writer in
            writer.beginObject()
            writer.field("snapshot_id", contents.manifest.id)
            writer.field("points", contents.points)
            writer.key("collections")
            writer.beginArray()
            for collection in contents.collections {
                writer.beginObject()
                writer.field("name", collection.name)
                writer.field("points", collection.content.points)
                writer.field("digest", collection.content.sum.hex)
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
        }
    }
}
