import GrapeEngine
import GrapeModel
import GrapeRaft

/// Which leadership is to go where, so that every node leads its share: 6, 5, 5 of sixteen shards on three nodes.
package enum LeaderBalance {
    package struct Transfer: Sendable, Hashable {
        package var group: LogGroup
        package var from: NodeNumber
        package var to: ReplicaID
    }

    /// - Parameters:
    ///   - leaders: Of each shard the node that leads.
    ///   - isReady: Whether a node's replica of a shard could lead: alive, a voter, caught up.
    /// - Returns: One transfer at most: the next is asked for when it is done.
    package static func next(
        _ layout: ClusterLayout, leaders: [ShardID: NodeNumber], isReady: (ShardID, ReplicaPlace) -> Bool
    ) -> Transfer? {
        var counts: [NodeNumber: Int] = [:]
        for member in layout.members where member.state == .member { counts[member.number] = 0 }
        var ways: [Transfer] = []
        for (number, placement) in layout.placements.enumerated() {
            let shard = ShardID(UInt16(number))
            guard let leader = leaders[shard] else { continue }
            counts[leader]? += 1
            guard placement.move == nil else { continue }
            for heir in placement.replicas where heir.node != leader && counts[heir.node] != nil && isReady(shard, heir)
            {
                ways.append(
                    Transfer(
                        group: .shard(shard), from: leader, to: ReplicaID(node: heir.node, serial: heir.serial)))
            }
        }
        func count(_ node: NodeNumber) -> Int { counts[node] ?? 0 }
        let leaving = ways.filter { counts[$0.from] == nil }
        if let first = leaving.min(by: { count($0.to.node) < count($1.to.node) }) { return first }
        for node in counts.keys.sorted(by: { (count($1), $0) < (count($0), $1) }) {
            if let last = lastOfChain(from: node, ways, count) { return last }
        }
        return nil
    }

    /// A node that leads too much may only be able to hand on to one that leads enough already, which then hands on another
    /// shard: the shortest chain to a node that leads less by two at least. The last of its transfers is made first, so nobody
    /// leads more meanwhile, and each one shortens the chain.
    private static func lastOfChain(
        from start: NodeNumber, _ ways: [Transfer], _ count: (NodeNumber) -> Int
    ) -> Transfer? {
        var reached: Set<NodeNumber> = [start]
        var edge = [start]
        while !edge.isEmpty {
            var next: [NodeNumber] = []
            for way in ways where edge.contains(way.from) && !reached.contains(way.to.node) {
                if count(way.to.node) + 2 <= count(start) { return way }
                reached.insert(way.to.node)
                next.append(way.to.node)
            }
            edge = next
        }
        return nil
    }
}
