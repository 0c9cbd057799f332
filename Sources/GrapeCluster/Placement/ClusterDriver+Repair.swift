import GrapeEngine
import GrapeModel
import GrapeRaft

/// Damaged replicas are given up when the catalog has begun a move that replaces them, which it does for one replica of a
/// group at a time and only where others decide without it; what was kept of them goes when another is whole.
extension ClusterDriver {
    /// Before a replica is dropped for one that takes its place: a damaged one is kept until then.
    func setAsideIfDamaged(_ group: LogGroup) async throws(GrapeError) {
        guard let fault = engine.fault(of: group),
            let status = consensus.status().first(where: { $0.group == group })
        else { return }
        _ = try await consensus.quarantine(group, serial: status.replica.serial, reason: fault.detail)
    }

    func endQuarantines(_ layout: ClusterLayout) {
        for (shard, aside) in engine.quarantines.sorted(by: { $0.key < $1.key }) where isReplaced(shard, aside, layout)
        {
            do throws(GrapeError) {
                try engine.endQuarantine(shard)
            } catch {
                logger.warning(
                    "what was kept of a damaged replica is not deleted yet",
                    metadata: ["shard": "\(shard)", "error": "\(error)"])
            }
        }
    }

    /// Another replica of the shard votes here and has all its rows, or the shard is not this node's any more.
    private func isReplaced(_ shard: ShardID, _ aside: Quarantine, _ layout: ClusterLayout) -> Bool {
        guard let status = consensus.status().first(where: { $0.group == .shard(shard) }) else {
            return layout.member(node) != nil
                && layout.placement(shard)?.all.contains { $0.node == node } == false
        }
        return status.replica.rawValue != aside.replica && !status.isLost && !status.isInstalling
            && status.configuration.voters.contains(status.replica) && engine.servedShards.contains(shard)
    }

    /// Where the catalog's replica of a member is damaged it is made anew, one at a time, as long as all others are whole.
    func renewDamagedCatalogReplica(_ layout: ClusterLayout, _ view: ClusterView, _ now: UInt64) async {
        let members = layout.members.filter { $0.state == .member }
        func report(_ member: Member) -> NodeReport.Group? {
            guard view.liveness(member.number, at: now) == .alive else { return nil }
            return view.report(of: ReplicaPlace(node: member.number, serial: member.catalogSerial), .catalog)
        }
        guard let damaged = members.first(where: { report($0)?.isDamaged == true }), members.count > 2 else { return }
        let areWhole = members.allSatisfy { member in
            guard member.number != damaged.number else { return true }
            return report(member).map { !$0.isLost && !$0.isDamaged && !$0.isLearner } == true
        }
        guard areWhole else { return }
        _ = await commit(
            .renewCatalogReplica(ReplicaPlace(node: damaged.number, serial: damaged.catalogSerial)))
    }
}
