import GrapeEngine
import GrapeModel
import GrapeRaft

/// The layout with which a cluster is founded: replicas and first leaders spread as evenly as can be.
package enum InitialLayout {
    /// - Parameter founders: In the order of their node ids.
    package static func make(founders: [Greeting], shardCount: Int, replicaCount: Int) -> ClusterLayout {
        var serial: UInt32 = 1
        func next() -> UInt32 {
            defer { serial += 1 }
            return serial
        }
        let members = founders.enumerated().map { place, founder in
            Member(
                number: NodeNumber(UInt32(place + 1)), nodeID: founder.nodeID, bootID: founder.bootID,
                addresses: founder.addresses, version: founder.version, catalogSerial: next())
        }
        let places = spread(shards: shardCount, over: members.count, replicas: replicaCount)
        let placements = places.map { nodes in
            ShardPlacement(replicas: nodes.map { ReplicaPlace(node: members[$0].number, serial: next()) })
        }
        return ClusterLayout(
            members: members, placements: placements, replicaCount: replicaCount,
            nextNode: UInt32(members.count + 1), nextSerial: serial)
    }

    /// Of each shard the nodes of its replicas. The first, which leads by preference, goes round; the others are each time
    /// those that hold least, the leaders of shards still to come counted.
    private static func spread(shards: Int, over nodes: Int, replicas: Int) -> [[Int]] {
        var held = [Int](repeating: 0, count: nodes)
        for shard in 0..<shards { held[shard % nodes] += 1 }
        return (0..<shards).map { shard in
            func rank(_ node: Int) -> (Int, Int) { (held[node], (node + shards - shard) % nodes) }
            let first = shard % nodes
            let others = held.indices.filter { $0 != first }.sorted { rank($0) < rank($1) }.prefix(max(1, replicas) - 1)
            for node in others { held[node] += 1 }
            return [first] + others
        }
    }

    /// The replicas of its groups that a founder makes, with the configurations that all founders agree on. A founder beyond
    /// the voters of the catalog has none of it at first: it is made empty like that of a node that comes later.
    package static func replicas(of node: NodeNumber, in layout: ClusterLayout) -> [Consensus.Founding] {
        let seats = layout.members.prefix(CatalogSeats.votersCount(members: layout.members.count))
        var groups = [(LogGroup.catalog, seats.map { ReplicaPlace(node: $0.number, serial: $0.catalogSerial) })]
        for (shard, placement) in layout.placements.enumerated() {
            groups.append((.shard(ShardID(UInt16(shard))), placement.replicas))
        }
        return groups.compactMap { group, places in
            let voters = places.map { ReplicaID(node: $0.node, serial: $0.serial) }
            return voters.first { $0.node == node }.map {
                Consensus.Founding(group: group, replica: $0, configuration: ConfState(voters: voters.sorted()))
            }
        }
    }
}
