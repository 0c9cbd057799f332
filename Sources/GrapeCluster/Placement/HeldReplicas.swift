import GrapeEngine
import GrapeModel

/// Which replicas a node is to drop and to make, by the catalog: a function of the layout and of what the node has.
package enum HeldReplicas {
    package struct Changes: Sendable, Hashable {
        package var dropped: [LogGroup] = []
        package var made: [Replica] = []
    }

    package struct Replica: Sendable, Hashable {
        package var group: LogGroup
        package var serial: UInt32
    }

    /// - Parameter present: Of each group the serial of the replica that the node has.
    package static func next(
        _ layout: ClusterLayout, on node: NodeNumber, present: [LogGroup: UInt32]
    ) -> Changes {
        guard let own = layout.member(node) else { return Changes() }
        var changes = Changes()
        func compare(_ group: LogGroup, _ wanted: UInt32?) {
            let serial = present[group]
            // A layout that is older than the replica says nothing about it.
            if let serial, serial != wanted, serial < layout.nextSerial { changes.dropped.append(group) }
            if let wanted, serial ?? 0 < wanted { changes.made.append(Replica(group: group, serial: wanted)) }
        }
        compare(.catalog, own.catalogSerial)
        for (number, placement) in layout.placements.enumerated() {
            // A lost replica and the one that takes its place are on one node: the newer one counts.
            compare(
                .shard(ShardID(UInt16(number))), placement.all.filter { $0.node == node }.map(\.serial).max())
        }
        return changes
    }
}
