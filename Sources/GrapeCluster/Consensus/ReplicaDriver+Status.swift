import GrapeRaft

extension ReplicaDriver {
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
