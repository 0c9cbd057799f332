import GrapeEngine
import GrapeModel

/// Whether the cluster can go on without a node. Found by planning its leave to the end: what can't be planned can't be done.
package enum LeaveCheck {
    /// - Returns: Why the node can't leave; nil where it can.
    package static func refusal(
        of number: NodeNumber, _ layout: ClusterLayout, nodes: [PlacementPlanner.Node], threshold: Double
    ) -> String? {
        var layout = layout
        guard let member = layout.member(number) else { return nil }
        guard layout.apply(.leave(number)) != .lastMember else {
            return "\(member.nodeID) can't leave: no other member would be left to hold the data"
        }
        let living = Set(nodes.filter { $0.liveness == .alive }.map(\.number))
        let staying = layout.members.filter { $0.state == .member }
        let seats = CatalogSeats.votersCount(members: staying.count)
        guard staying.count(where: { living.contains($0.number) }) > seats / 2 else {
            return
                "\(member.nodeID) can't leave now: of the \(staying.count) other members too few are alive to decide anything"
        }
        let leaving = nodes.map { node in
            var node = node
            node.isLeaving = node.isLeaving || node.number == number
            return node
        }
        let end = PlacementPlanner(layout: layout, nodes: leaving, threshold: threshold).outlook().layout
        for (shard, placement) in end.placements.enumerated() where placement.all.contains(where: { $0.node == number })
        {
            return
                "\(member.nodeID) can't leave now: shard \(shard) would be left without a majority of living replicas"
        }
        return nil
    }
}
