/// The few words about a replica that are asked for at every event; `RaftStatus` has the rest.
package struct RaftGlance: Sendable, Hashable {
    package var role: Role
    package var leader: ReplicaID
    package var term: Term
    package var commit: LogIndex
    package var applied: LogIndex
    package var lastIndex: LogIndex
}

extension Raft {
    /// The configuration that decides now.
    package var confState: ConfState { table.confState }

    package var glance: RaftGlance {
        RaftGlance(
            role: role, leader: leader, term: term, commit: log.committed, applied: log.applied,
            lastIndex: log.lastIndex)
    }
}
