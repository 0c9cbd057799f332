import GrapeModel

/// What a node says of its cluster, in the form of SPEC's /cluster calls.
package struct ClusterStatus: Sendable {
    package let text: String
    private let document: JSONDocument

    init?(_ answer: RestAnswer) {
        guard let document = try? JSONDocument(parsing: answer.body) else { return nil }
        self.document = document
        text = answer.text
    }

    package var clusterID: String? { document.root.field("cluster_id")?.string }
    /// Who leads the cluster's own group.
    package var leader: String? { document.root.field("leader")?.string }
    package var state: String? { document.root.field("state")?.string }

    /// Of /cluster/consistency/check.
    package var isConsistent: Bool? { document.root.field("consistent")?.bool }

    /// Whether some replica of /cluster/consistency/check has other contents than the rest.
    package var differs: Bool {
        document.root.field("shards")?.elements.contains { row in
            row.field("different") != nil || row.field("damaged") != nil
        } ?? false
    }

    /// The members of /cluster/nodes, with their states.
    package var members: [String: String] {
        let rows = document.root.field("nodes")?.elements.compactMap { row in
            row.field("node_id")?.string.map { ($0, row.field("state")?.string ?? "") }
        }
        return Dictionary(rows ?? [], uniquingKeysWith: { $1 })
    }

    /// Who leads each shard, of /cluster/shards; nil where nobody does.
    package var shardLeaders: [String?] {
        document.root.field("shards")?.elements.map { $0.field("leader")?.string } ?? []
    }

    /// Whether all shards of /cluster/shards are healthy.
    package var isWhole: Bool {
        let rows = document.root.field("shards")?.elements.map { $0.field("health")?.string == "healthy" } ?? []
        return !rows.isEmpty && rows.allSatisfy { $0 } && shardLeaders.allSatisfy { $0 != nil }
    }

    /// How many replicas of shards each node holds.
    package var replicas: [String: Int] {
        var counts: [String: Int] = [:]
        for row in document.root.field("shards")?.elements.map({ $0 }) ?? [] {
            for replica in row.field("replicas")?.elements.map({ $0 }) ?? [] {
                if let node = replica.field("node_id")?.string { counts[node, default: 0] += 1 }
            }
        }
        return counts
    }

    /// The node that leads most shards; of several the first by name.
    package var busiest: String? {
        let counts = Dictionary(grouping: shardLeaders.compactMap { $0 }) { $0 }.mapValues(\.count)
        return counts.min { ($1.value, $0.key) < ($0.value, $1.key) }?.key
    }
}
