import GrapeModel
import GrapeRaft

extension ReplicaDriver {
    /// How this replica stands, for reads.
    var standing: ReadExchange.Standing {
        let glance = raft.glance
        let leads = glance.role == .leader && raft.hasCommittedInTerm
        return ReadExchange.Standing(
            group: group, replica: id, term: glance.term,
            lead: leads ? ReadExchange.Lead(commit: glance.commit, configuration: raft.confState) : nil)
    }

    /// Nodes whose word counts in this group besides the own one's, as far as this replica knows.
    var otherVoters: Set<NodeNumber> {
        Set((raft.confState.voters + raft.confState.votersOutgoing).map(\.node)).subtracting([id.node])
    }

    /// - Parameter synced: The last turn that a sync has covered.
    func status(tickMilliseconds: Int, synced: UInt64) -> GroupStatus {
        let status = raft.status
        return GroupStatus(
            group: group, replica: id, role: status.role, isLearner: status.isLearner, leader: status.leader,
            term: status.term, commit: status.commit, applied: appliedIndex, firstIndex: store.base.index.next,
            lastIndex: status.lastIndex, configuration: status.confState, progress: status.progress,
            hasCommittedInTerm: raft.hasCommittedInTerm, stalenessMilliseconds: staleTicks * tickMilliseconds,
            isLost: isLost, isInstalling: isInstalling, elections: elections, leaderChanges: leaderChanges,
            failedProposals: failedProposals, isConfigurationDurable: configurationTicket <= synced)
    }
}
