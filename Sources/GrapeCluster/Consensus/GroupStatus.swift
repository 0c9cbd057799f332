import GrapeEngine
import GrapeRaft

/// How a group looks from this node's replica of it, as of the store loop's last turn.
package struct GroupStatus: Sendable {
    package var group: LogGroup
    package var replica: ReplicaID
    package var role: Role
    package var isLearner: Bool
    /// `.none` where nobody is known to lead.
    package var leader: ReplicaID
    package var term: Term
    package var commit: RaftIndex
    package var applied: RaftIndex
    package var firstIndex: RaftIndex
    package var lastIndex: RaftIndex
    package var configuration: ConfState
    /// What a leader knows of each member; empty elsewhere.
    package var progress: [ReplicaTable.Peer]
    /// Leader only: an entry of its term is committed, so it can serve reads and change the configuration.
    package var hasCommittedInTerm: Bool
    /// Milliseconds since this replica last knew that it had all that was committed; 0 on a leader.
    package var stalenessMilliseconds: Int
    /// This replica may have lost what it acknowledged: it takes no part until it is replaced.
    package var isLost: Bool
    /// Rows are being received; reads are not answered from here.
    package var isInstalling: Bool
    package var elections: UInt64
    package var leaderChanges: UInt64
    package var failedProposals: UInt64
    /// The configuration as it is applied here outlasts a power loss.
    package var isConfigurationDurable: Bool

    package init(
        group: LogGroup, replica: ReplicaID, role: Role, isLearner: Bool, leader: ReplicaID, term: Term,
        commit: RaftIndex, applied: RaftIndex, firstIndex: RaftIndex, lastIndex: RaftIndex, configuration: ConfState,
        progress: [ReplicaTable.Peer], hasCommittedInTerm: Bool, stalenessMilliseconds: Int, isLost: Bool,
        isInstalling: Bool, elections: UInt64, leaderChanges: UInt64, failedProposals: UInt64,
        isConfigurationDurable: Bool = true
    ) {
        self.group = group
        self.replica = replica
        self.role = role
        self.isLearner = isLearner
        self.leader = leader
        self.term = term
        self.commit = commit
        self.applied = applied
        self.firstIndex = firstIndex
        self.lastIndex = lastIndex
        self.configuration = configuration
        self.progress = progress
        self.hasCommittedInTerm = hasCommittedInTerm
        self.stalenessMilliseconds = stalenessMilliseconds
        self.isLost = isLost
        self.isInstalling = isInstalling
        self.elections = elections
        self.leaderChanges = leaderChanges
        self.failedProposals = failedProposals
        self.isConfigurationDurable = isConfigurationDurable
    }
}
