import GrapeEngine
import GrapeModel
import GrapeRaft

/// A node's own replicas in consistency checks and repairs, whoever asks: itself or another node.
package struct ReplicaChecks: Sendable {
    let engine: Engine
    let consensus: Consensus

    func announce(
        _ id: UInt64, isDeep: Bool, _ shards: ShardSet, until: ContinuousClock.Instant
    ) throws(GrapeError) {
        guard engine.marks.announce(id, isDeep: isDeep, until: until) else {
            throw GrapeError(.overloaded, "other deep checks are under way: wait for their end", retryAfterSeconds: 10)
        }
    }

    func standings(_ id: UInt64, _ shards: ShardSet) -> [ShardID: ReplicaStanding] {
        let status = consensus.status()
        var standings: [ShardID: ReplicaStanding] = [:]
        for shard in shards.sorted {
            standings[shard] = standing(id, shard, status.first { $0.group == .shard(shard) })
        }
        return standings
    }

    private func standing(_ id: UInt64, _ shard: ShardID, _ status: GroupStatus?) -> ReplicaStanding {
        guard let status else { return .absent("it has no replica of the shard") }
        if engine.quarantines[shard]?.replica == status.replica.rawValue {
            return .absent("its replica was set aside and is about to be replaced")
        }
        if status.isLost { return .absent("its replica lost what it had promised, and is about to be replaced") }
        if status.isInstalling || engine.isInstalling(shard), engine.fault(of: status.group) == nil {
            return .absent("its replica is being copied")
        }
        guard let check = engine.answer(id, shard) else { return .behind }
        return .checked(status.replica.serial, check)
    }

    /// Somebody has found that these replicas differ from most others. -> those of them that are here: the catalog is to
    /// replace them.
    func distrust(_ replicas: [ShardID: UInt32], reason: String) -> ShardSet {
        let status = consensus.status()
        var known = ShardSet()
        for (shard, serial) in replicas {
            let group = LogGroup.shard(shard)
            guard status.contains(where: { $0.group == group && $0.replica.serial == serial }) else { continue }
            engine.noteFault(group, reason)
            known.insert(shard)
        }
        return known
    }
}
