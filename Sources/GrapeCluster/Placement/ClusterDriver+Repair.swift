import GrapeEngine
import GrapeModel
import GrapeRaft

/// Damaged replicas are given up where others can do without them, and what was kept of them goes when these have made
/// another.
extension ClusterDriver {
    func repairReplicas(_ layout: ClusterLayout) async {
        for status in consensus.status() where !status.isLost {
            guard let fault = engine.fault(of: status.group), othersDecide(status, layout) else { continue }
            do throws(GrapeError) {
                _ = try await consensus.quarantine(
                    status.group, serial: status.replica.serial, reason: fault.detail)
            } catch {
                logger.warning(
                    "a damaged replica could not be set aside",
                    metadata: ["group": "\(status.group.number)", "error": "\(error)"])
            }
        }
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

    /// Whether the group goes on without this node's replica: a majority of the others is whole, and nothing else is
    /// being changed there.
    func othersDecide(_ status: GroupStatus, _ layout: ClusterLayout) -> Bool {
        let now = now
        let view = state.withLock { $0.view }
        guard case .shard(let shard) = status.group else {
            let voters = status.configuration.voters
            let whole = voters.filter { voter in
                guard voter != status.replica, view.liveness(voter.node, at: now) == .alive,
                    let report = view.report(voter.node)?.group(.catalog)
                else { return false }
                return !report.isLost && !report.isDamaged
            }
            return whole.count > voters.count / 2
        }
        guard let placement = layout.placement(shard), placement.move == nil else { return false }
        let others = placement.replicas.filter { $0.node != node }
        // One that was never counted in, or is no more, is not missed.
        guard others.count < placement.replicas.count else { return true }
        return others.filter { view.isWhole($0, shard, at: now) }.count > placement.replicas.count / 2
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
}
