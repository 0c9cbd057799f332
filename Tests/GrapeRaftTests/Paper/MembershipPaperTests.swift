import GrapeRaft
import Testing

/// Sentences of sections 6 to 8 of the paper and 3.10, 6.4 and 9.6 of the thesis.
@Suite("The paper, membership, compaction, clients")
struct MembershipPaperTests {
    private let two = ReplicaID(2)
    private let three = ReplicaID(3)
    private let four = ReplicaID(4)

    /// 6: "if a server receives a RequestVote RPC within the minimum election timeout of hearing from a current leader,
    /// it does not update its term or grant its vote"
    @Test("6: while a leader is fresh no vote is given")
    func freshLeaderIsProtected() throws {
        let replica = try Replica.fresh { $0.checkQuorum = true }
        try replica.hear(Message(.heartbeat, from: two, term: Term(1)))
        replica.raft.setElectionTimeout(19)
        let request = Message(.vote, from: three, term: Term(2), logTerm: Term(1), index: LogIndex(9))
        #expect(try replica.hear(request).isEmpty)
        #expect(replica.raft.status.term == Term(1))
        for _ in 0..<10 { replica.raft.tick() }
        #expect(try replica.hear(request).map(\.reject) == [false])
        try replica.hear(Message(.heartbeat, from: three, term: Term(2)))
        var transfer = request
        transfer.term = Term(3)
        transfer.isTransfer = true
        #expect(try replica.hear(transfer).map(\.reject) == [false], "the leader itself asked for it")
    }

    /// 6: new servers "join the cluster as non-voting members (the leader replicates log entries to them, but they are
    /// not considered for majorities)"
    @Test("6: learners are replicated to and do not count")
    func learnersDoNotCount() throws {
        let replica = try Replica.fresh()
        try replica.elect()
        _ = try replica.acknowledge(2, 3)
        try replica.raft.proposeConfChange(ConfChange([ConfChange.Step(.addLearner, four)]))
        try replica.drain()
        let said = try replica.acknowledge(2, 4)
        #expect(said.contains { $0.to == four && $0.kind == .append })
        try replica.raft.propose([1])
        try replica.drain()
        _ = try replica.acknowledge(4, 5)
        #expect(replica.raft.status.commit == LogIndex(4))
        _ = try replica.acknowledge(2, 5)
        #expect(replica.raft.status.commit == LogIndex(5))
    }

    /// 6: "Agreement (for elections and entry commitment) requires separate majorities from both the old and new
    /// configurations"
    @Test("6: a joint configuration needs both majorities")
    func jointMajorities() throws {
        let replica = try Replica.fresh()
        try replica.elect()
        _ = try replica.acknowledge(2, 3)
        let steps = [
            ConfChange.Step(.remove, two), ConfChange.Step(.remove, three), ConfChange.Step(.addVoter, four),
            ConfChange.Step(.addVoter, ReplicaID(5)),
        ]
        try replica.raft.proposeConfChange(ConfChange(steps, transition: .jointExplicit))
        try replica.drain()
        _ = try replica.acknowledge(2, 4)
        #expect(replica.raft.status.confState.votersOutgoing == [replica.id, two, three])
        try replica.raft.propose([1])
        try replica.drain()
        _ = try replica.acknowledge(2, 5)
        #expect(replica.raft.status.commit == LogIndex(4), "a majority of the old configuration is not enough")
        _ = try replica.acknowledge(4, 5)
        #expect(replica.raft.status.commit == LogIndex(5))
        try replica.raft.propose([2])
        try replica.drain()
        _ = try replica.acknowledge(4, 6)
        _ = try replica.acknowledge(5, 6)
        #expect(replica.raft.status.commit == LogIndex(5), "nor is one of the new configuration")
        _ = try replica.acknowledge(3, 6)
        #expect(replica.raft.status.commit == LogIndex(6))
        try jointElection(replica)
    }

    private func jointElection(_ replica: Replica) throws {
        try replica.hear(Message(.heartbeat, from: two, term: Term(2)))
        try replica.raft.campaign()
        try replica.drain()
        let term = replica.raft.status.term
        for voter in [four, ReplicaID(5)] { try replica.hear(Message(.voteResponse, from: voter, term: term)) }
        #expect(replica.raft.status.role == .candidate, "the old configuration has not agreed")
        try replica.hear(Message(.voteResponse, from: three, term: term))
        #expect(replica.raft.status.role == .leader)
    }

    @Test("only one configuration change is under way")
    func oneChangeAtATime() throws {
        let replica = try Replica.fresh()
        try replica.elect()
        _ = try replica.acknowledge(2, 3)
        try replica.raft.proposeConfChange(ConfChange([ConfChange.Step(.addLearner, four)]))
        try replica.raft.proposeConfChange(ConfChange([ConfChange.Step(.addLearner, ReplicaID(5))]))
        try replica.drain()
        let kinds = try replica.storage.entries(from: LogIndex(4), to: LogIndex(6), sizeMax: .max).map(\.kind)
        #expect(kinds == [.confChangeV2, .normal])
    }

    @Test("7: \"the leader must occasionally send snapshots to followers that lag behind\"")
    func snapshotForLaggard() throws {
        let replica = try Replica.fresh()
        try replica.elect()
        for _ in 0..<5 { try replica.raft.propose([1]) }
        try replica.drain()
        _ = try replica.acknowledge(2, 8)
        #expect(replica.applied == LogIndex(8))
        try replica.storage.compact(to: LogIndex(7))
        let said = try replica.hear(
            Message(
                .appendResponse, from: three, term: Term(1), index: LogIndex(2), reject: true,
                rejectHint: LogIndex(1)))
        #expect(said.map(\.kind) == [.snapshot])
        #expect(said.first?.snapshot?.index == LogIndex(8))
        let follower = try Replica.fresh(3)
        let answer = try follower.hear(try #require(said.first))
        #expect(answer.map(\.index) == [LogIndex(8)])
        #expect(follower.raft.status.commit == LogIndex(8) && follower.applied == LogIndex(8))
        replica.raft.reportSnapshot(three, succeeded: true)
        _ = try replica.hear(try #require(answer.first))
        #expect(replica.raft.status.progress[2].progress.state == .replicate)
    }

    @Test("8: \"each leader commit a blank no-op entry into the log at the start of its term\"")
    func leaderCommitsEmptyEntry() throws {
        let replica = try Replica.holding(terms: [1])
        let said = try replica.elect()
        #expect(said.filter { $0.kind == .append }.allSatisfy { $0.entries.last?.data == [] })
        #expect(!replica.raft.hasCommittedInTerm)
        _ = try replica.acknowledge(2, 4)
        #expect(replica.raft.hasCommittedInTerm)
    }

    @Test("thesis 9.6: a pre-vote disturbs nobody's term")
    func preVoteKeepsTerms() throws {
        let voter = try Replica.fresh { $0.preVote = true }
        let answer = try voter.hear(
            Message(.preVote, from: two, term: Term(5), logTerm: Term(1), index: LogIndex(2)))
        #expect(answer.first?.kind == .preVoteResponse && answer.first?.term == Term(5))
        #expect(voter.raft.status.term == .zero && voter.raft.status.vote == .none)
        let candidate = try Replica.fresh { $0.preVote = true }
        try candidate.raft.campaign()
        #expect(try candidate.drain().allSatisfy { $0.kind == .preVote && $0.term == Term(1) })
        #expect(candidate.raft.status.term == .zero)
        try candidate.hear(Message(.preVoteResponse, from: two, term: Term(1)))
        #expect(candidate.raft.status.role == .candidate && candidate.raft.status.term == Term(1))
    }

    @Test("thesis 6.2: \"a leader steps down if an election timeout elapses without a successful round of heartbeats\"")
    func leaderStepsDown() throws {
        let replica = try Replica.fresh { $0.checkQuorum = true }
        try replica.elect()
        for _ in 0..<3 {
            try replica.hear(Message(.heartbeatResponse, from: two, term: Term(1)))
            for _ in 0..<10 { replica.raft.tick() }
            #expect(replica.raft.status.role == .leader)
        }
        for _ in 0..<10 { replica.raft.tick() }
        #expect(replica.raft.status.role == .follower)
    }

    @Test("thesis 3.10: the target of a transfer is brought up to date, then told to start an election at once")
    func transfer() throws {
        let replica = try Replica.fresh()
        try replica.elect()
        _ = try replica.acknowledge(2, 3)
        try replica.raft.propose([1])
        try replica.raft.transferLeadership(to: two)
        #expect(throws: RaftError.proposalDropped) { try replica.raft.propose([2]) }
        #expect(try replica.drain().allSatisfy { $0.kind != .timeoutNow })
        #expect(try replica.acknowledge(2, 4).contains { $0.kind == .timeoutNow && $0.to == two })
        for _ in 0..<10 { replica.raft.tick() }
        try replica.raft.propose([3])
    }
}
