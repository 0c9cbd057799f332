import GrapeEngine
import GrapeModel
import GrapeRaft

/// A member as `/cluster/nodes` shows it.
package struct MemberInfo: Sendable {
    package let member: Member
    /// alive, suspect, dead or leaving.
    package let state: String
    package let lastSeenMilliseconds: Int
    package let isLeader: Bool
    package let leaders: Int
    package let replicas: Int
    package let points: Int
}

/// A shard as `/cluster/shards` shows it.
package struct ShardInfo: Sendable {
    package struct Replica: Sendable {
        package let nodeID: String
        /// leader, follower or learner.
        package let role: String
        /// active, installing, lost or unreachable.
        package let state: String
        package let applied: UInt64
        package let lag: UInt64
    }

    package let shard: ShardID
    package let leader: String?
    package let term: UInt64
    package let points: UInt64
    package let bytes: UInt64
    package let health: String
    package let replicas: [Replica]
}

/// A move as `/cluster/migration/status` shows it.
package struct MoveInfo: Sendable {
    package let shard: ShardID
    package let from: String?
    package let to: String?
    package let state: String
    package let startedAt: UInt64
}

/// The cluster as this node sees it.
package struct ClusterInfo: Sendable {
    /// healthy, degraded or unavailable.
    package let status: String
    package let leader: String?
    package let term: UInt64
    package let replicaCount: Int
    package let members: [MemberInfo]
}

extension Node {
    /// Milliseconds after which a node counts as suspect are in the reports' view.
    private var view: (view: ClusterView, now: UInt64) { (driver.state.withLock { $0.view }, driver.now) }

    package func clusterInfo() -> ClusterInfo {
        let layout = engine.catalog.layout
        let (view, now) = view
        let leader = consensus.leader(of: .catalog) ?? view.leader(of: .catalog, at: now)?.node
        let term = consensus.status().first { $0.group == .catalog }?.term.rawValue ?? 0
        let isDegraded = shards().contains { $0.health != "healthy" }
        let status = refusal != nil || leader == nil ? "unavailable" : isDegraded ? "degraded" : "healthy"
        return ClusterInfo(
            status: status, leader: leader.flatMap { layout.member($0)?.nodeID }, term: term,
            replicaCount: layout.replicaCount, members: layout.members.map { info($0, leader, layout, view, now) })
    }

    private func info(
        _ member: Member, _ leader: NodeNumber?, _ layout: ClusterLayout, _ view: ClusterView, _ now: UInt64
    ) -> MemberInfo {
        let report = view.report(member.number)
        let own = (report?.groups ?? []).filter { $0.group != .catalog }
        let liveness = member.number == number ? .alive : view.liveness(member.number, at: now)
        return MemberInfo(
            member: member, state: member.state == .leaving ? "leaving" : liveness.rawValue,
            lastSeenMilliseconds: member.number == number ? 0 : Int(view.age(member.number, at: now) ?? now),
            isLeader: leader == member.number,
            leaders: liveness == .alive ? own.filter(\.isLeader).count : 0,
            replicas: layout.placements.filter { $0.replicas.contains { $0.node == member.number } }.count,
            points: Int(own.reduce(0) { $0 + $1.points }))
    }

    /// Whether every shard has a leader that some node knows of.
    package var hasAllLeaders: Bool {
        let (view, now) = view
        return LogGroup.all(shardCount: options.shardCount).allSatisfy {
            consensus.leader(of: $0) != nil || view.leader(of: $0, at: now) != nil
        }
    }

    package func shards() -> [ShardInfo] {
        let layout = engine.catalog.layout
        let (view, now) = view
        return layout.placements.enumerated().map { number, placement in
            let shard = ShardID(UInt16(number))
            let group = LogGroup.shard(shard)
            let leader = view.leader(of: group, at: now)
            let replicas = placement.all.map { replica in
                info(replica, group, leader, layout, view, now)
            }
            let active = replicas.filter { $0.state == "active" }.count
            let isWhole = active >= layout.replicaCount
            let health = leader == nil ? "unavailable" : isWhole ? "healthy" : "under_replicated"
            return ShardInfo(
                shard: shard, leader: leader.flatMap { layout.member($0.node)?.nodeID }, term: leader?.report.term ?? 0,
                points: leader?.report.points ?? 0, bytes: leader?.report.bytes ?? 0, health: health, replicas: replicas)
        }
    }

    private func info(
        _ replica: ReplicaPlace, _ group: LogGroup, _ leader: (node: NodeNumber, report: NodeReport.Group)?,
        _ layout: ClusterLayout, _ view: ClusterView, _ now: UInt64
    ) -> ShardInfo.Replica {
        let report = view.report(replica.node)?.group(group)
        let isReached = view.liveness(replica.node, at: now) == .alive
        let state =
            !isReached || report == nil
            ? "unreachable" : report?.isLost == true ? "lost" : report?.isInstalling == true ? "installing" : "active"
        let applied = report?.applied ?? 0
        let newest = leader?.report.applied ?? applied
        return ShardInfo.Replica(
            nodeID: layout.member(replica.node)?.nodeID ?? "node number \(replica.node)",
            role: leader?.node == replica.node ? "leader" : report?.isLearner == true ? "learner" : "follower",
            state: state, applied: applied, lag: newest > applied ? newest - applied : 0)
    }

    package func moves() -> [MoveInfo] {
        let layout = engine.catalog.layout
        return layout.placements.enumerated().compactMap { number, placement in
            guard let move = placement.move else { return nil }
            let status = consensus.status().first { $0.group == .shard(ShardID(UInt16(number))) }
            let state: String
            switch status?.configuration {
            case .some(let conf) where !conf.votersOutgoing.isEmpty: state = "joint"
            case .some(let conf) where !conf.learners.isEmpty: state = "catching_up"
            default: state = "running"
            }
            return MoveInfo(
                shard: ShardID(UInt16(number)), from: move.removing.flatMap { layout.member($0.node)?.nodeID },
                to: move.adding.flatMap { layout.member($0.node)?.nodeID }, state: state, startedAt: move.startedAt)
        }
    }

    /// What the planner would begin now, as far as this node sees.
    package func plannedMoves() -> [MoveInfo] {
        let layout = engine.catalog.layout
        var planner = driver.planner(layout)
        return planner.plans().map { plan in
            MoveInfo(
                shard: plan.shard, from: plan.removing.flatMap { layout.member($0.node)?.nodeID },
                to: plan.adding.flatMap { layout.member($0)?.nodeID }, state: "planned", startedAt: 0)
        }
    }

    /// -> whether the node is a member already. One that is not will be when it asks for it itself.
    package func isMember(_ nodeID: String, grpc address: HostPort?) throws(GrapeError) -> Bool {
        guard let member = engine.catalog.layout.member(named: nodeID) else { return false }
        if let address, member.addresses.grpc != address {
            throw GrapeError(
                .conflict,
                "node \(nodeID) is a member already, with address \(member.addresses.grpc), not \(address): remove it first")
        }
        return true
    }

    /// Begins to move everything away from a node; then it is removed.
    package func leave(_ nodeID: String) async throws(GrapeError) {
        try refuseIfIsolated()
        let deadline = self.deadline
        try await consensus.barrier([.catalog], deadline: deadline)
        let layout = engine.catalog.layout
        guard let member = layout.member(named: nodeID) else {
            throw GrapeError(.notFound, "the cluster has no node \(nodeID.prefix(64))")
        }
        if let reason = reasonToStay(member, layout) { throw GrapeError(.conflict, reason) }
        guard case .layout(.done) = try await router.commit(.layout(.leave(member.number)), deadline: deadline) else {
            throw GrapeError(.notFound, "the cluster has no node \(nodeID.prefix(64)) any more")
        }
    }

    /// Why the cluster could not go on without the node; nil where it could.
    private func reasonToStay(_ member: Member, _ layout: ClusterLayout) -> String? {
        let (view, now) = view
        let others = layout.members.filter { $0.number != member.number && $0.state == .member }
        guard !others.isEmpty else { return "node \(member.nodeID) can't leave: it is the only one and holds all data" }
        func lives(_ number: NodeNumber) -> Bool { number == self.number || view.liveness(number, at: now) == .alive }
        for (shard, placement) in layout.placements.enumerated() {
            let living = placement.replicas.filter { lives($0.node) }
            guard living.count > placement.replicas.count / 2 else {
                return "node \(member.nodeID) can't leave now: shard \(shard) has no majority of its replicas"
            }
            guard living.contains(where: { $0.node != member.number }) else {
                return "node \(member.nodeID) can't leave: it has the only living replica of shard \(shard)"
            }
        }
        let living = layout.members.filter { lives($0.number) }.count
        guard living > layout.members.count / 2 else {
            return "node \(member.nodeID) can't leave now: no majority of the members is alive"
        }
        return nil
    }
}
