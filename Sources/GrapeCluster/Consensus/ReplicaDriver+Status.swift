import GrapeRaft

extension ReplicaDriver {
    func status(tickMilliseconds: Int) -> GroupStatus {
        let status = raft.status
        return GroupStatus(
            group: group, replica: id, role: status.role, isLearner: status.isLearner, leader: status.leader,
            term: status.term, commit: status.commit, applied: appliedIndex, firstIndex: store.base.index.next,
            lastIndex: status.lastIndex, configuration: status.confState, progress: status.progress,
            hasCommittedInTerm: raft.hasCommittedInTerm, stalenessMilliseconds: staleTicks * tickMilliseconds,
            isLost: isLost, isInstalling: isInstalling, elections: elections, leaderChanges: leaderChanges,
            failedProposals: failedProposals)
    }
}
