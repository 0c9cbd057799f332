import GrapeModel
import GrapeRaft

extension ReplicaDriver {
    /// How this replica stands, for reads.
    var standing: ReadExchange.Standing {
        let glance = raft.glance
        let leads = glance.role == .leader && raft.hasCommittedInTerm
        return ReadExchange.Standing(
            group: group, replica: id, term: glance.term,
            lead: leads ? ReadExchange.Lead(commit: glance.commit, configuration: readQuorum.encoded) : nil)
    }

    /// What reads need of the configuration that decides now.
    var readQuorum: ReadQuorum {
        if let readQuorumMade, readQuorumMade.configuration == raft.confState { return readQuorumMade }
        let made = ReadQuorum(raft.confState, without: id.node)
        readQuorumMade = made
        return made
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

/// A configuration as rounds of reads use it, made once and not at each of them.
struct ReadQuorum {
    let configuration: ConfState
    let encoded: EncodedConfState
    /// Nodes whose word counts besides the own one's.
    let otherVoters: [NodeNumber]

    init(_ configuration: ConfState, without node: NodeNumber) {
        self.configuration = configuration
        encoded = EncodedConfState(configuration)
        otherVoters = Set((configuration.voters + configuration.votersOutgoing).map(\.node)).subtracting([node])
            .sorted()
    }
}
