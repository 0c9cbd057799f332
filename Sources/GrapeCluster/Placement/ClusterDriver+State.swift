import GrapeEngine
import GrapeModel
import GrapeRaft

/// What requests on this node go by, put together anew in each round.
extension ClusterDriver {
    func refreshState(_ layout: ClusterLayout) {
        let now = now
        let view = state.withLock { $0.view }
        var next = ClusterState.View()
        next.own = answeredShards
        for (number, placement) in layout.placements.enumerated() {
            let shard = ShardID(UInt16(number))
            let holders = holders(of: shard, placement, view, own: next.own, at: now)
            next.holders[shard] = holders
            if isDamaged(shard), !holders.isEmpty, !holders.contains(node) { next.own.remove(shard) }
            let others = placement.replicas.filter { $0.node != node && view.liveness($0.node, at: now) == .alive }
            next.backlogs[shard] = ClusterState.Backlogs(
                known: others.compactMap { view.report($0.node)?.backlog }, replicas: placement.replicas.count)
        }
        for group in LogGroup.all(shardCount: options.shardCount) {
            if let leader = view.leader(of: group, at: now), leader.node != node {
                next.leaderHints[group] = leader.node
            }
        }
        next.solitude = solitude(layout) { view.isHeard($0, at: now) } ?? ignorance
        next.isolation = solitude(layout) { view.isHeard($0, at: now) || view.isAwaited($0, at: now) }
        cluster.update { $0 = next }
    }

    /// Nodes that have all rows of a shard. Those whose replica is damaged only where no other is there: a part of their
    /// rows can be read.
    private func holders(
        of shard: ShardID, _ placement: ShardPlacement, _ view: ClusterView, own: ShardSet, at now: UInt64
    ) -> [NodeNumber] {
        let group = LogGroup.shard(shard)
        let holders = placement.replicas.map(\.node).filter { holder in
            guard holder != node else { return own.contains(shard) }
            guard view.liveness(holder, at: now) == .alive else { return false }
            return view.report(holder)?.group(group).map { !$0.isInstalling && !$0.isLost && !$0.isLearner } ?? false
        }
        let sound = holders.filter { holder in
            guard holder != node else { return !isDamaged(shard) }
            return view.report(holder)?.group(group)?.isDamaged == false
        }
        return sound.isEmpty ? holders : sound
    }

    private func isDamaged(_ shard: ShardID) -> Bool { engine.fault(of: .shard(shard)) != nil }

    /// Shards whose rows are all here and go on coming: a replica that was taken out of its group, or still learns, waits for
    /// writes in vain or for long.
    private var answeredShards: ShardSet {
        let voting = consensus.status().compactMap { status -> ShardID? in
            guard case .shard(let shard) = status.group, !status.isLost,
                (status.configuration.voters + status.configuration.votersOutgoing).contains(status.replica)
            else { return nil }
            return shard
        }
        let served = engine.servedShards
        return ShardSet(voting.filter(served.contains))
    }

    /// Without a majority of the members, nothing that needs one can be answered.
    private func solitude(_ layout: ClusterLayout, _ isReached: (NodeNumber) -> Bool) -> GrapeError? {
        guard layout.members.count > 1 else { return nil }
        guard layout.member(node) != nil else {
            return GrapeError(
                .unavailable, "this node is no member of the cluster any more: empty its data_dir to let it join anew")
        }
        let reached = layout.members.count { $0.number == node || isReached($0.number) }
        guard reached <= layout.members.count / 2 else { return nil }
        return GrapeError(
            .unavailable, "only \(reached) of \(layout.members.count) members can be reached, which is no majority",
            retryAfterSeconds: 1)
    }

    private var ignorance: GrapeError? {
        guard !engine.hasCatalog else { return nil }
        return GrapeError(.unavailable, "this node waits for the cluster's catalog", retryAfterSeconds: 1)
    }
}
