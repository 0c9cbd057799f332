import GrapeCluster
import GrapeEngine
import GrapeModel
import Testing

/// When the catalog's leader gives a damaged replica up: it votes until then.
@Suite struct DamagedReplicaTests {
    private func layout(nodes: UInt32, replicas: UInt32) -> ClusterLayout {
        let nowhere = HostPort(host: "h", port: 1)
        let members = (1...nodes).map { number in
            Member(
                number: NodeNumber(number), nodeID: "node-\(number)", bootID: UInt64(number),
                addresses: MemberAddresses(grpc: nowhere, rest: nowhere, raft: nowhere), version: "1",
                catalogSerial: number)
        }
        let places = (1...replicas).map { ReplicaPlace(node: NodeNumber($0), serial: 10 + $0) }
        return ClusterLayout(
            members: members, placements: [ShardPlacement(replicas: places), ShardPlacement(replicas: places)],
            replicaCount: Int(replicas), nextNode: nodes + 1, nextSerial: 100)
    }

    private func plans(
        _ layout: ClusterLayout, damaged: [UInt32: [UInt16]], silent: [UInt32] = []
    ) -> [PlacementPlanner.Plan] {
        let nodes = layout.members.map { member in
            PlacementPlanner.Node(
                number: member.number, liveness: silent.contains(member.number.rawValue) ? .suspect : .alive,
                isLeaving: false, damaged: Set((damaged[member.number.rawValue] ?? []).map { ShardID($0) }))
        }
        var planner = PlacementPlanner(layout: layout, nodes: nodes, threshold: 0.1)
        #expect(planner.outlook().plans.count <= 8, "the outlook comes to an end")
        return planner.plans()
    }

    @Test("one of three is replaced on its node; of two in one shard neither, of different shards both")
    func oneAtATime() {
        let three = layout(nodes: 3, replicas: 3)
        let second = ReplicaPlace(node: NodeNumber(2), serial: 12)
        let one = plans(three, damaged: [2: [1]])
        #expect(one.count == 1 && one.first?.shard == ShardID(1))
        #expect(one.first?.adding == second.node && one.first?.removing == second)
        #expect(plans(three, damaged: [2: [1], 3: [1]]).isEmpty)
        #expect(plans(three, damaged: [2: [1], 3: [0]]).count == 2)
    }

    @Test("where the others would not decide without it, it stays")
    func others() {
        #expect(plans(layout(nodes: 3, replicas: 3), damaged: [2: [1]], silent: [1]).isEmpty)
        #expect(plans(layout(nodes: 2, replicas: 2), damaged: [2: [0, 1]]).isEmpty)
        #expect(plans(layout(nodes: 1, replicas: 1), damaged: [1: [0, 1]]).isEmpty)
    }
}
