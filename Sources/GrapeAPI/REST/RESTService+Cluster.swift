import Foundation
import GrapeCluster
import GrapeModel

// The calls under /cluster, answered from what this node knows of the cluster.

extension RESTService {
    func clusterInfo(_ node: Node) -> HTTPAnswer {
        let info = node.clusterInfo()
        return HTTPAnswer(capacity: 2_048) { json in
            json.beginObject()
            json.field("cluster_id", node.clusterID)
            json.field("node_id", options.nodeID)
            json.field("status", info.status)
            json.key("leader")
            json.optional(info.leader)
            json.field("term", info.term)
            json.field("shard_count", node.options.shardCount)
            json.field("replica_count", info.replicaCount)
            write(info.members, &json)
            json.field("version", options.version)
            json.endObject()
        }
    }

    func clusterNodes(_ node: Node) -> HTTPAnswer {
        let info = node.clusterInfo()
        return HTTPAnswer(capacity: 2_048) { json in
            json.beginObject()
            write(info.members, &json)
            json.endObject()
        }
    }

    private func write(_ members: [MemberInfo], _ json: inout JSONWriter) {
        json.key("nodes")
        json.beginArray()
        for info in members {
            json.beginObject()
            json.field("node_id", info.member.nodeID)
            json.field("address", info.member.addresses.grpc.description)
            json.field("rest_address", info.member.addresses.rest.description)
            json.field("raft_address", info.member.addresses.raft.description)
            json.field("state", info.state)
            json.field("role", info.isLeader ? "leader" : "follower")
            json.field("last_seen_ms", info.lastSeenMilliseconds)
            json.field("leaders", info.leaders)
            json.field("replicas", info.replicas)
            json.field("points", info.points)
            json.field("version", info.member.version)
            json.endObject()
        }
        json.endArray()
    }

    func clusterShards(_ node: Node) -> HTTPAnswer {
        let shards = node.shards()
        return HTTPAnswer(capacity: 512 * shards.count) { json in
            json.beginObject()
            json.field("shard_count", shards.count)
            json.key("shards")
            json.beginArray()
            for shard in shards { write(shard, &json) }
            json.endArray()
            json.endObject()
        }
    }

    private func write(_ shard: ShardInfo, _ json: inout JSONWriter) {
        json.beginObject()
        json.field("shard", shard.shard.rawValue)
        json.key("leader")
        json.optional(shard.leader)
        json.field("term", shard.term)
        json.field("points", shard.points)
        json.field("bytes", shard.bytes)
        json.field("health", shard.health)
        json.key("replicas")
        json.beginArray()
        for replica in shard.replicas {
            json.beginObject()
            json.field("node_id", replica.nodeID)
            json.field("role", replica.role)
            json.field("state", replica.state)
            json.field("applied", replica.applied)
            json.field("lag", replica.lag)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }

    // MARK: Membership

    /// A node joins by asking for it itself (`join_cluster`); this call says how far that is.
    func join(_ body: [UInt8], _ node: Node) throws(GrapeError) -> HTTPAnswer {
        let (id, text) = try RequestBody.nodeID(body, withAddress: true)
        let address = try text.map { (text) throws(GrapeError) in
            guard let address = HostPort(text: text) else {
                throw GrapeError(.invalidRequest, "address: expected host:port, found \"\(text.prefix(64))\"")
            }
            return address
        }
        let isMember = try node.isMember(id, grpc: address)
        var answer = HTTPAnswer { json in
            json.beginObject()
            json.field("node_id", id)
            json.field("state", isMember ? "member" : "waiting")
            if !isMember {
                json.field(
                    "message",
                    "the node becomes a member when it starts with join_cluster and this cluster's seed_nodes")
            }
            json.endObject()
        }
        answer.status = isMember ? 200 : 202
        return answer
    }

    func leave(_ body: [UInt8], _ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let (id, _) = try RequestBody.nodeID(body, withAddress: false)
        try await node.leave(id)
        var answer = HTTPAnswer { json in
            json.beginObject()
            json.field("node_id", id)
            json.field("state", "leaving")
            json.field("status", "/cluster/migration/status")
            json.endObject()
        }
        answer.status = 202
        return answer
    }

    // MARK: Moves

    func migrationStatus(_ node: Node) -> HTTPAnswer { moves(node.moves(), list: "migrations") }

    /// What will move. It moves by itself; the call shows the plan.
    func rebalance(_ node: Node) -> HTTPAnswer {
        var answer = moves(node.moves() + node.plannedMoves(), list: "moves")
        answer.status = 202
        return answer
    }

    func rebalanceStatus(_ node: Node) -> HTTPAnswer { moves(node.moves(), list: "moves") }

    private func moves(_ moves: [MoveInfo], list: String) -> HTTPAnswer {
        HTTPAnswer { json in
            json.beginObject()
            json.field("state", moves.isEmpty ? "idle" : "running")
            json.key(list)
            json.beginArray()
            for move in moves {
                json.beginObject()
                json.field("shard", move.shard.rawValue)
                json.key("from")
                json.optional(move.from)
                json.key("to")
                json.optional(move.to)
                json.field("state", move.state)
                json.field("progress", move.progress)
                json.field("points", move.points)
                json.field("bytes", move.bytes)
                json.key("started_at")
                if let at = move.startedAt {
                    json.string(Date(timeIntervalSince1970: Double(at) / 1_000).formatted(.iso8601))
                } else {
                    json.null()
                }
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
    }
}

extension JSONWriter {
    fileprivate mutating func optional(_ text: String?) {
        if let text { string(text) } else { null() }
    }
}
