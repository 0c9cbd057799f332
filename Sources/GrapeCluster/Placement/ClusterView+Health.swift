import GrapeEngine
import GrapeModel

/// How a shard stands, by what the nodes say.
package enum ShardHealth: String, Sendable {
    case healthy
    /// It works, with fewer replicas than the cluster wants.
    case underReplicated = "under_replicated"
    /// Nobody leads it.
    case unavailable
}

extension ClusterView {
    package func health(of shard: ShardID, isLed: Bool, _ layout: ClusterLayout, at now: UInt64) -> ShardHealth {
        guard isLed, let placement = layout.placement(shard) else { return .unavailable }
        let whole = placement.replicas.filter { isWhole($0, shard, at: now) }
        return whole.count < layout.replicaCount ? .underReplicated : .healthy
    }

    /// Whether a replica lives and has all its rows, and these can be trusted.
    package func isWhole(_ replica: ReplicaPlace, _ shard: ShardID, at now: UInt64) -> Bool {
        guard liveness(replica.node, at: now) == .alive, let own = report(of: replica, .shard(shard))
        else { return false }
        return !own.isLost && !own.isInstalling && !own.isLearner && !own.isDamaged
    }

    /// Whether a replica could take over from the one that leads: it is whole and has nearly all that the leader has.
    package func canLead(_ shard: ShardID, _ replica: ReplicaPlace, at now: UInt64) -> Bool {
        guard isWhole(replica, shard, at: now), let own = report(of: replica, .shard(shard)),
            let leader = leader(of: .shard(shard), at: now)?.report
        else { return false }
        return own.applied + Self.lagMax >= leader.applied
    }

    /// Entries by which a replica that is to lead may be behind.
    private static let lagMax: UInt64 = 1_000
}
