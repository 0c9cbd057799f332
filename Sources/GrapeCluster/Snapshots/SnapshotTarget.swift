import GrapeEngine
import GrapeModel
import GrapeRaft

/// The replicas that snapshots are sent from and received for: consensus, as far as snapshots need it.
package protocol SnapshotTarget: Sendable {
    /// This node's replica of a group.
    func replica(of group: LogGroup) -> ReplicaID?
    func install(_ image: SnapshotImage, from sender: ReplicaID, term: Term) async throws(GrapeError) -> Bool
    func reportSnapshot(_ group: LogGroup, replica: ReplicaID, succeeded: Bool)
}

extension Consensus: SnapshotTarget {
    package func replica(of group: LogGroup) -> ReplicaID? { status().first { $0.group == group }?.replica }
}

extension SnapshotImage {
    init(_ image: GroupImage) {
        self.init(
            group: image.group, state: image.state, finishedKeys: image.finishedKeys, catalog: image.catalog)
    }
}
