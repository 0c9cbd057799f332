import ArgumentParser
import GrapeCluster
import GrapeEngine
import GrapeModel

struct Inspect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a data directory holds.",
        discussion: "What to show: raft, shards, collections, index, or point and an id. Without: who the node is.")

    enum Part: String, ExpressibleByArgument, CaseIterable {
        case raft, shards, collections, index, point
    }

    @OptionGroup var form: JSONOption

    @Option(name: .long, help: ArgumentHelp("A data directory that no server has open.", valueName: "directory"))
    var dataDir: String

    @Argument(help: "What to show.")
    var part: Part?

    @Argument(help: "Id of a point.")
    var id: String?

    func validate() throws {
        guard (part == .point) == (id != nil) else { throw ValidationError("an id goes with point, and with it only") }
    }

    func run() async throws {
        let (output, path, part, id) = (Output(json: form.json), dataDir, part, id)
        try await tool(json: form.json) {
            try DataDirectory.closing(path) { (directory) throws(GrapeError) in
                switch part {
                case nil: Self.showNode(directory, output)
                case .raft: try Self.showLogs(directory, output)
                case .shards: try Self.showShards(directory, output)
                case .collections: try Self.showCollections(directory, output)
                case .index: try Self.showIndex(directory, output)
                case .point: try Self.showPoint(id ?? "", directory, output)
                }
            }
        }
    }

    private static func showNode(_ directory: DataDirectory, _ output: Output) {
        let members = directory.catalog.layout.members
        let lines = [
            "node \(directory.nodeID) of cluster \(directory.clusterID.text)",
            "members: \(members.map { "\($0.nodeID) (\($0.addresses.raft))" }.joined(separator: ", "))",
            "\(directory.heldShards.count) of \(directory.shardCount) shards, "
                + "\(directory.catalog.sortedEntries.filter { $0.phase == .ready }.count) collections",
        ]
        output.show(lines.joined(separator: "\n")) { json in
            json.beginObject()
            json.field("node_id", directory.nodeID)
            json.field("cluster_id", directory.clusterID.text)
            json.field("shard_count", directory.shardCount)
            json.field("held_shards", directory.heldShards.count)
            json.key("members")
            json.beginArray()
            for member in members { json.string(member.nodeID) }
            json.endArray()
            json.endObject()
        }
    }

    private static func showLogs(_ directory: DataDirectory, _ output: Output) throws(GrapeError) {
        let logs = try directory.logs()
        let lines = logs.map { log in
            "\(name(log.group)): replica \(log.replica), term \(log.term), vote \(log.vote), log \(log.first) to \(log.last), "
                + "committed \(log.committed), applied \(log.applied), voters \(log.voters)\(log.isLost ? ", LOST" : "")"
        }
        output.show(lines.joined(separator: "\n")) { json in
            json.array("groups", logs) { json, log in
                json.field("group", name(log.group))
                json.field("replica", log.replica)
                json.field("term", log.term)
                json.field("vote", log.vote)
                json.field("first", log.first)
                json.field("last", log.last)
                json.field("committed", log.committed)
                json.field("applied", log.applied)
                json.key("voters")
                json.beginArray()
                for voter in log.voters { json.integer(voter) }
                json.endArray()
                json.field("lost", log.isLost)
            }
        }
    }

    private static func showShards(_ directory: DataDirectory, _ output: Output) throws(GrapeError) {
        let shards = try directory.shards()
        let lines = shards.map { shard in
            "shard \(shard.shard): \(shard.points) points, digest \(shard.digest.hex), applied \(shard.applied), "
                + "epoch \(shard.epoch), generation \(shard.generation)"
        }
        output.show(lines.joined(separator: "\n")) { json in
            json.array("shards", shards) { json, shard in
                json.field("shard", shard.shard.rawValue)
                json.field("points", shard.points)
                json.field("digest", shard.digest.hex)
                json.field("applied", shard.applied)
                json.field("epoch", shard.epoch)
                json.field("generation", shard.generation)
            }
        }
    }

    private static func showCollections(_ directory: DataDirectory, _ output: Output) throws(GrapeError) {
        var rows: [(entry: CatalogEntry, points: UInt64)] = []
        for entry in directory.catalog.sortedEntries {
            rows.append((entry, try directory.points(of: entry.schema.id)))
        }
        let lines = rows.map { entry, points in
            let vectors = entry.schema.vectors.map { vector in
                "\(vector.name.isEmpty ? "" : "\(vector.name): ")\(vector.dimension) \(vector.metric.name)"
            }
            return "\(entry.schema.id) \(entry.schema.name) (\(entry.phase)): \(points) points, "
                + vectors.joined(separator: ", ")
        }
        output.show(lines.joined(separator: "\n")) { json in
            json.array("collections", rows) { json, row in
                json.field("id", row.entry.schema.id.rawValue)
                json.field("name", row.entry.schema.name)
                json.field("phase", "\(row.entry.phase)")
                json.field("points", row.points)
                json.key("vectors")
                json.beginArray()
                for vector in row.entry.schema.vectors {
                    json.beginObject()
                    json.field("name", vector.name)
                    json.field("dimension", vector.dimension)
                    json.field("metric", vector.metric.name)
                    json.endObject()
                }
                json.endArray()
            }
        }
    }

    private static func showIndex(_ directory: DataDirectory, _ output: Output) throws(GrapeError) {
        let checkpoints = try directory.checkpoints()
        let lines = checkpoints.map { one in
            "\(one.collection)\(one.vector.isEmpty ? "" : "/\(one.vector)"): \(one.chunks) chunks, \(one.bytes) bytes"
        }
        output.show(lines.joined(separator: "\n")) { json in
            json.array("checkpoints", checkpoints) { json, one in
                json.field("collection", one.collection)
                json.field("vector", one.vector)
                json.field("chunks", one.chunks)
                json.field("bytes", one.bytes)
            }
        }
    }

    private static func showPoint(
        _ id: String, _ directory: DataDirectory, _ output: Output
    ) throws(GrapeError) {
        let found = try directory.find(id)
        guard !found.isEmpty else { throw GrapeError(.notFound, "no collection in \(directory.path) has point \(id)") }
        let lines = found.map { point in
            "\(point.collection), shard \(point.shard): version \(point.row.version) (vector \(point.row.vectorVersion)), "
                + "vectors \(point.vectors.map { "\($0.name)[\($0.values.count)]" }), "
                + String(decoding: point.row.payload.json, as: UTF8.self)
        }
        output.show(lines.joined(separator: "\n")) { json in
            json.array("points", found) { json, point in
                json.field("collection", point.collection)
                json.field("shard", point.shard.rawValue)
                json.field("version", point.row.version.rawValue)
                json.field("vector_version", point.row.vectorVersion.rawValue)
                json.field("hash", point.row.hash.hex)
                json.key("vectors")
                json.beginObject()
                for vector in point.vectors {
                    json.key(vector.name)
                    json.floats(vector.values)
                }
                json.endObject()
                json.key("payload")
                json.raw(point.row.payload.json)
            }
        }
    }

    private static func name(_ group: LogGroup) -> String {
        if case .shard(let shard) = group { "shard \(shard)" } else { "catalog" }
    }
}

extension JSONWriter {
    /// An object with one list of objects.
    fileprivate mutating func array<Element>(
        _ key: String, _ elements: [Element], _ write: (inout JSONWriter, Element) -> Void
    ) {
        beginObject()
        self.key(key)
        beginArray()
        for element in elements {
            beginObject()
            write(&self, element)
            endObject()
        }
        endArray()
        endObject()
    }
}
