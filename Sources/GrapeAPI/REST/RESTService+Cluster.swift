import GrapeCluster
import GrapeModel

// The calls under /cluster, as a cluster of one answers them: one member, which leads every shard and can't leave.

extension RESTService {
    /// The term of a node that never has to be elected.
    private static let onlyTerm = 1

    func clusterInfo(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let row = try await nodeRow(node)
        return HTTPAnswer(capacity: 1_024) { json in
            json.beginObject()
            json.field("cluster_id", node.clusterID)
            json.field("node_id", options.nodeID)
            json.field("status", node.refusal == nil ? "healthy" : "unavailable")
            json.field("leader", options.nodeID)
            json.field("term", Self.onlyTerm)
            json.field("shard_count", node.options.shardCount)
            json.field("replica_count", 1)
            json.key("nodes")
            json.beginArray()
            json.raw(row)
            json.endArray()
            json.field("version", options.version)
            json.endObject()
        }
    }

    func clusterNodes(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let row = try await nodeRow(node)
        return HTTPAnswer(capacity: 1_024) { json in
            json.beginObject()
            json.key("nodes")
            json.beginArray()
            json.raw(row)
            json.endArray()
            json.endObject()
        }
    }

    private func nodeRow(_ node: Node) async throws(GrapeError) -> [UInt8] {
        let points = try await node.statistics().points
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        json.field("node_id", options.nodeID)
        json.field("address", options.nodeAddress.description)
        json.field("rest_address", restAddress)
        json.field("raft_address", options.raftAddress.description)
        json.field("state", "alive")
        json.field("role", "leader")
        json.field("last_seen_ms", 0)
        json.field("leaders", node.options.shardCount)
        json.field("replicas", node.options.shardCount)
        json.field("points", points)
        json.field("version", options.version)
        json.endObject()
        return json.bytes
    }

    private var restAddress: String {
        var address = options.nodeAddress
        address.port = options.restPort
        return address.description
    }

    func clusterShards(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let shards = try await node.shardStatistics()
        let healthy = node.refusal == nil
        return HTTPAnswer(capacity: 256 * shards.count) { json in
            json.beginObject()
            json.field("shard_count", shards.count)
            json.key("shards")
            json.beginArray()
            for shard in shards { write(shard, healthy: healthy, &json) }
            json.endArray()
            json.endObject()
        }
    }

    private func write(_ shard: ShardStatistics, healthy: Bool, _ json: inout JSONWriter) {
        json.beginObject()
        json.field("shard", shard.shard.rawValue)
        json.field("leader", options.nodeID)
        json.field("term", Self.onlyTerm)
        json.field("points", shard.points)
        json.field("bytes", shard.bytes)
        json.field("health", healthy ? "healthy" : "unavailable")
        json.key("replicas")
        json.beginArray()
        json.beginObject()
        json.field("node_id", options.nodeID)
        json.field("role", "leader")
        json.field("state", "active")
        json.field("applied", shard.applied.rawValue)
        json.field("lag", 0)
        json.endObject()
        json.endArray()
        json.endObject()
    }

    func join(_ body: [UInt8]) throws(GrapeError) -> HTTPAnswer {
        let (id, address) = try RequestBody.nodeID(body, withAddress: true)
        guard id == options.nodeID else {
            throw GrapeError(
                .notImplemented, "node \(id.prefix(64)) can't join: this release runs a cluster of one node")
        }
        guard address == options.nodeAddress.description else {
            throw GrapeError(
                .conflict,
                "node \(id) is a member already, with address \(options.nodeAddress), not \(address?.prefix(64) ?? "")")
        }
        return HTTPAnswer { json in
            json.beginObject()
            json.field("node_id", id)
            json.field("state", "member")
            json.endObject()
        }
    }

    func leave(_ body: [UInt8]) throws(GrapeError) -> HTTPAnswer {
        let (id, _) = try RequestBody.nodeID(body, withAddress: false)
        guard id == options.nodeID else {
            throw GrapeError(.notFound, "the cluster has no node \(id.prefix(64)), its only node is \(options.nodeID)")
        }
        throw GrapeError(.conflict, "node \(id) can't leave: it is the only one and holds all data")
    }

    func migrationStatus() -> HTTPAnswer { idle(list: "migrations") }

    func rebalance() -> HTTPAnswer {
        var answer = idle(list: "moves")
        answer.status = 202
        return answer
    }

    func rebalanceStatus() -> HTTPAnswer { idle(list: "moves") }

    private func idle(list: String) -> HTTPAnswer {
        HTTPAnswer { json in
            json.beginObject()
            json.field("state", "idle")
            json.key(list)
            json.beginArray()
            json.endArray()
            json.endObject()
        }
    }
}
