/// A look at a replica, for operators and tests.
package struct RaftStatus: Sendable {
    package var id: ReplicaID
    package var term: Term
    package var vote: ReplicaID
    package var leader: ReplicaID
    package var role: Role
    package var isLearner: Bool
    package var commit: LogIndex
    package var applied: LogIndex
    package var lastIndex: LogIndex
    /// None when no transfer is under way.
    package var transferee: ReplicaID
    package var confState: ConfState
    /// What a leader knows of each member; empty elsewhere.
    package var progress: [ReplicaTable.Peer]
}

extension Raft {
    package var status: RaftStatus {
        RaftStatus(
            id: id, term: term, vote: vote, leader: leader, role: role, isLearner: isLearner, commit: log.committed,
            applied: log.applied, lastIndex: log.lastIndex, transferee: transferee, confState: table.confState,
            progress: role == .leader ? table.peers : [])
    }

    /// Whether reads and configuration changes may start: this leader has committed an entry of its own term.
    package var hasCommittedInTerm: Bool {
        guard stopReason == nil, role == .leader else { return false }
        return (try? log.term(at: log.committed)) == term
    }
}
