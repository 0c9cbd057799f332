import GrapeEngine
import GrapeModel

/// How a member answers nodes that have no cluster, or think so.
struct Admission: Sendable {
    let cluster: PointID
    let node: NodeNumber
    /// Where this node is one of the founders: how the cluster was founded.
    let founded: FoundedCluster?
    let engine: Engine
    let consensus: Consensus
    let router: Router
    let planner: @Sendable (ClusterLayout) -> PlacementPlanner

    private static let patience = Duration.seconds(3)

    func answer(_ request: BootstrapRequest) async -> BootstrapAnswer {
        switch request {
        case .hello: return .member(cluster)
        case .found(let founded):
            let isSame = founded.cluster == cluster && founded.layout.member(node) != nil
            return isSame ? .accepted : .refused("this node belongs to cluster \(cluster.text) already")
        case .join(let greeting):
            if let founded, founded.layout.members.contains(where: { $0.bootID == greeting.bootID }) {
                return .founded(founded)
            }
            return await admit(greeting)
        case .rejoin(let greeting, let old): return await admitAgain(greeting, replacing: old)
        case .layout: return .layout(engine.catalog.layout)
        }
    }

    /// A member that set its damaged store aside: what it was leaves first, as if its operator had asked for it, then it is
    /// admitted under a new number.
    private func admitAgain(_ greeting: Greeting, replacing old: UInt64) async -> BootstrapAnswer {
        let layout = engine.catalog.layout
        guard consensus.leader(of: .catalog) == node, let member = layout.member(named: greeting.nodeID),
            member.bootID == old
        else { return await admit(greeting) }
        guard member.state == .member else { return .wait("what was on the damaged store is being given up") }
        let planner = planner(layout)
        let refusal = LeaveCheck.refusal(
            of: member.number, layout, nodes: planner.nodes, threshold: planner.threshold)
        if let refusal { return .wait(refusal) }
        _ = try? await router.commit(.layout(.leave(member.number)), deadline: .now + Self.patience)
        return .wait("what was on the damaged store is being given up")
    }

    /// The catalog's leader decides: it alone knows for certain who is a member.
    private func admit(_ greeting: Greeting) async -> BootstrapAnswer {
        guard let leader = consensus.leader(of: .catalog) else { return .wait("the cluster has no leader") }
        guard leader == node else {
            guard let member = engine.catalog.layout.member(leader) else { return .wait("the leader is not known yet") }
            return .redirect(member.addresses.raft)
        }
        guard greeting.shardCount == engine.shardCount else {
            return .refused(
                "the cluster has shard_count \(engine.shardCount), the configuration of \(greeting.nodeID) says "
                    + "\(greeting.shardCount): set sharding.shard_count = \(engine.shardCount)")
        }
        let command = LayoutCommand.admit(
            nodeID: greeting.nodeID, bootID: greeting.bootID, addresses: greeting.addresses, version: greeting.version)
        switch try? await router.commit(.layout(command), deadline: .now + Self.patience) {
        case .layout(.member(let member)):
            return .admitted(FoundedCluster(cluster: cluster, layout: engine.catalog.layout), member.number)
        case .layout(.otherDirectory(let number)): return .refused(otherDirectory(greeting.nodeID, number))
        default: return .wait("the cluster could not decide in time")
        }
    }

    private func otherDirectory(_ nodeID: String, _ number: NodeNumber) -> String {
        let rest = engine.catalog.layout.members.first { $0.number == node }?.addresses.rest.description ?? "HOST:6333"
        return
            "\(nodeID) is a member of the cluster with another data directory. If that directory is lost, remove the "
            + "member first: curl -X POST http://\(rest)/cluster/leave -d '{\"node_id\":\"\(nodeID)\"}'; then start this "
            + "node again. Otherwise give it a node_id of its own"
    }
}
