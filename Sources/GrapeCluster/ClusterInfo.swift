import GrapeEngine
import GrapeModel

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
        /// active, installing, damaged, quarantined, lost or unreachable.
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
    /// planned, copying, catching_up, joint or running.
    package let state: String
    /// Of the rows that are to be copied, 0 to 1.
    package let progress: Double
    package let points: UInt64
    package let bytes: UInt64
    /// Milliseconds since 1970; nil for one that is only planned.
    package let startedAt: UInt64?
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
