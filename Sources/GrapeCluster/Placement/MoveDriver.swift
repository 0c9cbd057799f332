import GrapeEngine
import GrapeModel
import GrapeRaft

/// Takes the groups that a node leads towards what the catalog wants, one step at a time (RAFT.md 15). A value without
/// clock or I/O; nearly all it goes by is read anew each time, so that every step may be lost, repeated, or taken up by the
/// driver of another node.
package struct MoveDriver: Sendable {
    package enum Action: Sendable, Hashable {
        case none
        case change(ConfChange)
        case transfer(ReplicaID)
        /// An entry of the catalog.
        case commit(LayoutCommand)
    }

    /// How far the log was committed when the configuration was first seen as wanted: by the id of the move, or the serial of
    /// the catalog's replica that went (both are given out by the same count).
    private var settled: [UInt64: RaftIndex] = [:]

    package init() {}

    /// What the leader of a shard's group does next.
    /// - Parameters:
    ///   - status: The leader's own.
    ///   - report: What the node of a replica says of it.
    package mutating func next(
        _ status: GroupStatus, _ shard: ShardID, _ layout: ClusterLayout,
        liveness: (NodeNumber) -> ClusterView.Liveness,
        report: (ReplicaPlace) -> NodeReport.Group?
    ) -> Action {
        guard let placement = layout.placement(shard), knows(layout, status.configuration) else { return .none }
        if let move = placement.move, isToTurn(placement, status.configuration, layout, liveness, report) {
            return .commit(.cancelMove(shard, id: move.id))
        }
        let wanted = Set(placement.target.map { ReplicaID(node: $0.node, serial: $0.serial) })
        switch MoveStep.next(status, voters: wanted, isAlive: { isAble($0, status, liveness, report) }) {
        case .wait: return .none
        case .change(let change): return .change(change)
        case .transfer(let heir): return .transfer(heir)
        case .done:
            guard let move = placement.move, hasSettled(move.id, placement.target, status, report) else { return .none }
            return .commit(.finishMove(shard, id: move.id))
        }
    }

    private func isToTurn(
        _ placement: ShardPlacement, _ configuration: ConfState, _ layout: ClusterLayout,
        _ liveness: (NodeNumber) -> ClusterView.Liveness, _ report: (ReplicaPlace) -> NodeReport.Group?
    ) -> Bool {
        func isUseless(_ place: ReplicaPlace) -> Bool {
            let isLeaving = layout.member(place.node)?.state != .member
            return isLeaving || liveness(place.node) == .dead || report(place)?.isLost == true
        }
        return MoveStep.isHopeless(
            placement, configuration, isUseless: isUseless,
            isGone: { layout.member($0.node) == nil || liveness($0.node) == .dead || report($0)?.isLost == true })
            || MoveStep.isWronglyGivenUp(placement, configuration, isUseless: isUseless)
    }

    /// What the leader of the catalog's own group does next.
    package func nextOfCatalog(
        _ status: GroupStatus, _ layout: ClusterLayout, liveness: (NodeNumber) -> ClusterView.Liveness,
        report: (ReplicaPlace) -> NodeReport.Group?
    ) -> Action {
        guard knows(layout, status.configuration) else { return .none }
        let seats = CatalogSeats.next(layout, voting: status.configuration.voters) { liveness($0) == .dead }
        let step = MoveStep.next(
            status, voters: seats.voters, learners: seats.learners,
            isAlive: { isAble($0, status, liveness, report) })
        switch step {
        case .wait, .done: return .none
        case .change(let change): return .change(change)
        case .transfer(let heir): return .transfer(heir)
        }
    }

    /// Whether a member that leaves may be forgotten: it holds nothing, and a majority of those who vote in the catalog has
    /// applied the change by which its replica of the catalog went. Before that its vote may still be needed.
    package mutating func mayRemove(
        _ member: Member, _ status: GroupStatus, _ layout: ClusterLayout, report: (ReplicaPlace) -> NodeReport.Group?
    ) -> Bool {
        let conf = status.configuration
        guard member.state == .leaving, !layout.holdsReplicas(member.number), conf.votersOutgoing.isEmpty,
            !(conf.voters + conf.learners).contains(where: { $0.node == member.number })
        else { return false }
        let voters = conf.voters.map { ReplicaPlace(node: $0.node, serial: $0.serial) }
        return hasSettled(UInt64(member.catalogSerial), voters, status, report)
    }

    /// Moves and members that are no longer in the catalog are forgotten.
    package mutating func retain(_ layout: ClusterLayout) {
        let ids = layout.placements.compactMap(\.move?.id) + layout.members.map { UInt64($0.catalogSerial) }
        settled = settled.filter { ids.contains($0.key) }
    }

    /// A majority of these replicas has applied all that was committed when this was asked first, and will have it still after
    /// a power loss. Only then may an old copy be dropped, since with fewer its vote may still be needed.
    private mutating func hasSettled(
        _ id: UInt64, _ replicas: [ReplicaPlace], _ status: GroupStatus, _ report: (ReplicaPlace) -> NodeReport.Group?
    ) -> Bool {
        let index = settled[id] ?? status.commit
        settled[id] = index
        let done = replicas.filter { replica in
            if ReplicaID(node: replica.node, serial: replica.serial) == status.replica {
                return status.applied >= index && status.isConfigurationDurable
            }
            guard let report = report(replica) else { return false }
            return report.applied >= index.rawValue && report.isConfigurationDurable
        }
        return done.count > replicas.count / 2
    }

    /// Whether a replica lives and could vote: its node says that it has it.
    private func isAble(
        _ replica: ReplicaID, _ status: GroupStatus, _ liveness: (NodeNumber) -> ClusterView.Liveness,
        _ report: (ReplicaPlace) -> NodeReport.Group?
    ) -> Bool {
        if replica == status.replica { return true }
        guard liveness(replica.node) == .alive,
            let own = report(ReplicaPlace(node: replica.node, serial: replica.serial))
        else { return false }
        return !own.isLost
    }

    /// Whether all members of a group's configuration were given out by this layout or an earlier one: else it is older than
    /// the configuration and says nothing about it.
    private func knows(_ layout: ClusterLayout, _ configuration: ConfState) -> Bool {
        (configuration.voters + configuration.votersOutgoing + configuration.learners).allSatisfy {
            $0.serial < layout.nextSerial
        }
    }
}
