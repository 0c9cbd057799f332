import GrapeEngine
import GrapeRaft

/// How far the rows of a group are on their way to a replica.
package struct SnapshotTransfer: Sendable, Hashable {
    package let group: LogGroup
    package let to: ReplicaID
    package let points: UInt64
    package let totalPoints: UInt64
    package let bytes: UInt64
}
