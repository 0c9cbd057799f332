import Foundation
import GrapeCluster
import GrapeConfiguration
import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging

/// Where a backup is restored to. Collections are hidden until they are published.
protocol RestoreTarget: Sendable {
    var shardCount: Int { get async throws }
    func has(_ name: String) async throws -> Bool
    func begin(_ name: String, _ vectors: [VectorSchema]) async throws -> CollectionID
    /// Repeating it does no harm.
    func write(_ points: [ExportedPoint], into collection: CollectionID) async throws
    func content(_ collection: CollectionID, _ shard: ShardID) async throws -> RowDigest
    func publish(_ collections: [CollectionID], replacing: Bool) async throws
    func discard(_ collection: CollectionID) async throws
    /// - Parameter failed: nothing is to be left of what was begun.
    func close(failed: Bool) async
}

/// A running cluster of any size.
struct ClusterTarget: RestoreTarget {
    let endpoint: Endpoint

    var shardCount: Int {
        get async throws {
            guard let count = try await endpoint.call(.GET, "/cluster/info").object().field("shard_count")?.int64,
                (1...Int64(UInt16.max)).contains(count)
            else { throw ToolFailure(.refused, "the endpoint does not answer like a node of Grape") }
            return Int(count)
        }
    }

    func has(_ name: String) async throws -> Bool {
        let answer = try await endpoint.call(.GET, "/collections").object()
        let known = answer.field("result")?.field("collections")?.elements.compactMap { $0.field("name")?.string }
        return known?.contains(name) == true
    }

    func begin(_ name: String, _ vectors: [VectorSchema]) async throws -> CollectionID {
        var json = JSONWriter()
        json.beginObject()
        json.field("name", name)
        json.key("vectors")
        json.beginArray()
        for vector in vectors {
            json.beginObject()
            json.field("name", vector.name)
            json.field("dimension", vector.dimension)
            json.field("metric", vector.metric.name)
            json.field("binary_quantization", vector.quantization == .binary)
            json.field("m", vector.m)
            json.field("ef_construction", vector.efConstruction)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        let answer = try await endpoint.call(.POST, "/cluster/restore", body: json.bytes, repeats: false).object()
        guard let id = answer.field("collection_id")?.uint64 else {
            throw ToolFailure(.failed, "the cluster's answer names no collection")
        }
        return CollectionID(id)
    }

    func write(_ points: [ExportedPoint], into collection: CollectionID) async throws {
        var body: [UInt8] = []
        for point in points { ExportRecord.point(point).append(to: &body) }
        _ = try await endpoint.call(.POST, "/cluster/restore/\(collection)/points", body: body)
    }

    func content(_ collection: CollectionID, _ shard: ShardID) async throws -> RowDigest {
        let answer = try await endpoint.call(
            .GET, "/cluster/restore/\(collection)/content?shard=\(shard)", timeout: .seconds(600)
        ).object()
        var digest = RowDigest()
        guard let points = answer.field("points")?.uint64,
            let sum = answer.field("digest")?.string.flatMap({ UInt64(hex: $0) })
        else { throw ToolFailure(.failed, "the cluster's answer has no digest") }
        digest.points = points
        digest.sum = sum
        return digest
    }

    func publish(_ collections: [CollectionID], replacing: Bool) async throws {
        var json = JSONWriter()
        json.beginObject()
        json.key("collections")
        json.beginArray()
        for id in collections { json.integer(id.rawValue) }
        json.endArray()
        json.field("replace", replacing)
        json.endObject()
        _ = try await endpoint.call(.POST, "/cluster/restore/publish", body: json.bytes)
    }

    func discard(_ collection: CollectionID) async throws {
        _ = try await endpoint.call(.DELETE, "/cluster/restore/\(collection)")
    }

    func close(failed: Bool) async { await endpoint.close() }
}

/// A data directory, run by a node of the tool's own. One that the tool has made goes again where the restore fails.
struct DirectoryTarget: RestoreTarget {
    let node: Node
    private let isNew: Bool

    init(_ path: String, shardCount: Int?, nodeID: String) async throws {
        let folder = Folder(path)
        let isNew = try folder.names().isEmpty
        var options = NodeOptions(dataDirectory: path)
        if isNew {
            options.shardCount = shardCount ?? options.shardCount
            options.nodeID = nodeID
            options.version = GrapeVersion.current
        } else {
            options = try DataDirectory.closing(path) { (found) throws(GrapeError) in
                guard found.isAlone else {
                    throw GrapeError(
                        .cannotStart,
                        "\(path) belongs to a member of a larger cluster: restore into the running cluster by --endpoint"
                    )
                }
                return found.nodeOptions(version: GrapeVersion.current)
            }
            if let shardCount, shardCount != options.shardCount {
                throw ToolFailure(
                    .refused, "\(path) has shard_count \(options.shardCount), which can't become \(shardCount)")
            }
        }
        options.threads = ProcessStatistics.cores
        self.isNew = isNew
        do {
            node = try await Node.open(options, logger: Logger.quiet)
        } catch {
            if isNew, error.code != .directoryInUse { try? Folder.removeTree(path) }
            throw error
        }
    }

    var shardCount: Int { node.options.shardCount }

    func has(_ name: String) async throws -> Bool {
        try await node.collections().contains { $0.schema.name == name }
    }

    func begin(_ name: String, _ vectors: [VectorSchema]) async throws -> CollectionID {
        try await node.beginRestore(name, vectors: vectors)
    }

    func write(_ points: [ExportedPoint], into collection: CollectionID) async throws {
        while true {
            do throws(GrapeError) {
                return try await node.restore(points, into: collection)
            } catch {
                // The index or the log is behind: it comes after.
                guard error.code == .overloaded else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    func content(_ collection: CollectionID, _ shard: ShardID) async throws -> RowDigest {
        try await node.restoredContent(collection, shard)
    }

    func publish(_ collections: [CollectionID], replacing: Bool) async throws {
        try await node.publish(collections, replacing: replacing)
    }

    func discard(_ collection: CollectionID) async throws { try await node.discardRestore(collection) }

    func close(failed: Bool) async {
        await node.close()
        if failed, isNew { try? Folder.removeTree(node.options.dataDirectory) }
    }
}
