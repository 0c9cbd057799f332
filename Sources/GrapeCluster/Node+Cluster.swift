import GrapeEngine
import GrapeModel
import GrapeRaft

// What operators ask of the cluster, and tell it, through this node.

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
            let leader = leader(of: group, view, now)
            return ShardInfo(
                shard: shard, leader: leader.flatMap { layout.member($0.node)?.nodeID }, term: leader?.report.term ?? 0,
                points: leader?.report.points ?? 0, bytes: leader?.report.bytes ?? 0,
                health: view.health(of: shard, isLed: leader != nil, layout, at: now).rawValue,
                replicas: placement.all.map { info($0, group, leader, layout, view, now) })
        }
    }

    /// Who leads by what replicas here have heard, else by the reports: those tell of a new leader up to half a second late.
    private func leader(
        of group: LogGroup, _ view: ClusterView, _ now: UInt64
    ) -> (node: NodeNumber, report: NodeReport.Group)? {
        if let node = consensus.leader(of: group), view.liveness(node, at: now) == .alive,
            let report = view.report(node)?.group(group)
        {
            return (node, report)
        }
        return view.leader(of: group, at: now)
    }

    private func info(
        _ replica: ReplicaPlace, _ group: LogGroup, _ leader: (node: NodeNumber, report: NodeReport.Group)?,
        _ layout: ClusterLayout, _ view: ClusterView, _ now: UInt64
    ) -> ShardInfo.Replica {
        let report = view.report(replica.node)?.group(group)
        let isReached = view.liveness(replica.node, at: now) == .alive
        let state = isReached ? report?.stateName ?? "unreachable" : "unreachable"
        let applied = report?.applied ?? 0
        let newest = leader?.report.applied ?? applied
        return ShardInfo.Replica(
            nodeID: layout.member(replica.node)?.nodeID ?? "node number \(replica.node)",
            role: leader?.node == replica.node ? "leader" : report?.isLearner == true ? "learner" : "follower",
            state: state, applied: applied, lag: newest > applied ? newest - applied : 0)
    }

    package func moves() -> [MoveInfo] {
        let layout = engine.catalog.layout
        let (view, now) = view
        return layout.placements.enumerated().compactMap { number, placement in
            placement.move.map { info($0, ShardID(UInt16(number)), layout, view, now) }
        }
    }

    private func info(
        _ move: ShardMove, _ shard: ShardID, _ layout: ClusterLayout, _ view: ClusterView, _ now: UInt64
    ) -> MoveInfo {
        let group = LogGroup.shard(shard)
        let leader = view.leader(of: group, at: now)
        let transfer = move.adding.flatMap { adding in
            leader.flatMap { view.report($0.node) }?.transfers.first {
                $0.group == group && $0.to == ReplicaID(node: adding.node, serial: adding.serial)
            }
        }
        let copy = move.adding.flatMap { view.report(of: $0, group) }
        let points = transfer?.points ?? copy?.points ?? 0
        let all = transfer?.totalPoints ?? leader?.report.points ?? 0
        let isCaughtUp = move.adding == nil || copy.map { !$0.isLearner && !$0.isInstalling } == true
        let state = transfer != nil ? "copying" : isCaughtUp ? "joint" : "catching_up"
        return MoveInfo(
            shard: shard, from: move.removing.flatMap { layout.member($0.node)?.nodeID },
            to: move.adding.flatMap { layout.member($0.node)?.nodeID }, state: state,
            progress: isCaughtUp ? 1 : all == 0 ? 0 : min(1, Double(points) / Double(all)), points: points,
            bytes: transfer?.bytes ?? copy?.bytes ?? 0, startedAt: move.startedAt)
    }

    /// What will move if nothing else happens, as far as this node sees, the next first.
    package func plannedMoves() -> [MoveInfo] {
        let layout = engine.catalog.layout
        let planned = driver.planner(layout).outlook()
        return planned.plans.map { plan in
            MoveInfo(
                shard: plan.shard, from: plan.removing.flatMap { layout.member($0.node)?.nodeID },
                to: plan.adding.flatMap { layout.member($0)?.nodeID }, state: "planned", progress: 0, points: 0,
                bytes: 0, startedAt: nil)
        }
    }

    /// -> whether the node is a member already. One that is not will be when it asks for it itself.
    package func isMember(_ nodeID: String, grpc address: HostPort?) throws(GrapeError) -> Bool {
        guard let member = engine.catalog.layout.member(named: nodeID) else {
            guard options.cluster != nil else {
                throw GrapeError(
                    .conflict,
                    "node \(options.nodeID) runs alone and can't take members: set cluster.enabled and start it anew")
            }
            return false
        }
        if let address, member.addresses.grpc != address {
            throw GrapeError(
                .conflict,
                "node \(nodeID) is a member already, with address \(member.addresses.grpc), not \(address): remove it first"
            )
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
        let planner = driver.planner(layout)
        let refusal = LeaveCheck.refusal(
            of: member.number, layout, nodes: planner.nodes, threshold: planner.threshold)
        if let refusal { throw GrapeError(.conflict, refusal) }
        guard case .layout(.done) = try await router.commit(.layout(.leave(member.number)), deadline: deadline) else {
            throw GrapeError(.notFound, "the cluster has no node \(nodeID.prefix(64)) any more")
        }
    }
}

extension NodeReport.Group {
    /// A replica's state as `/cluster/shards` shows it.
    fileprivate var stateName: String {
        if isQuarantined { return "quarantined" }
        if isLost { return "lost" }
        if isDamaged { return "damaged" }
        return isInstalling ? "installing" : "active"
    }
}
