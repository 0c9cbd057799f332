import GrapeRaft
import Testing

/// Sentences of "In Search of an Understandable Consensus Algorithm (Extended Version)", sections 5.1 and 5.2, each
/// held against a replica.
@Suite("The paper, elections")
struct ElectionPaperTests {
    private let two = ReplicaID(2)
    private let three = ReplicaID(3)

    /// A replica of term 1 in each role.
    private func replicas() throws -> [Role: Replica] {
        let follower = try Replica.fresh()
        try follower.hear(Message(.append, from: two, term: Term(1), logTerm: Term(1), index: LogIndex(2)))
        let candidate = try Replica.fresh()
        try candidate.raft.campaign()
        try candidate.drain()
        let leader = try Replica.fresh()
        try leader.elect()
        return [.follower: follower, .candidate: candidate, .leader: leader]
    }

    @Test("5.1: \"If one server's current term is smaller than the other's, then it updates its current term\"")
    func termsRise() throws {
        for (role, replica) in try replicas() {
            #expect(replica.raft.status.role == role)
            try replica.hear(Message(.append, from: three, term: Term(5), logTerm: Term(1), index: LogIndex(2)))
            #expect(replica.raft.status.term == Term(5))
        }
    }

    @Test(
        "5.1: \"If a candidate or leader discovers that its term is out of date, it immediately reverts to follower\"")
    func outOfDateReverts() throws {
        for (_, replica) in try replicas() {
            try replica.hear(Message(.heartbeatResponse, from: three, term: Term(9)))
            #expect(replica.raft.status.role == .follower)
            #expect(replica.raft.status.leader == .none)
        }
    }

    @Test("5.1: \"If a server receives a request with a stale term number, it rejects the request\"")
    func staleTermIsRejected() throws {
        for (_, replica) in try replicas() {
            try replica.hear(Message(.heartbeat, from: three, term: Term(4)))
            let last = replica.raft.status.lastIndex
            let stale = Message(
                .append, from: two, term: Term(3), logTerm: Term(1), index: LogIndex(2), commit: LogIndex(9),
                entries: [Entry(term: Term(3), index: LogIndex(3))])
            #expect(try replica.hear(stale).isEmpty)
            #expect(replica.raft.status.lastIndex == last && replica.raft.status.leader == three)
            let vote = Message(.vote, from: two, term: Term(3), logTerm: Term(9), index: LogIndex(99))
            #expect(try replica.hear(vote).isEmpty)
            #expect(replica.raft.status.vote == .none)
        }
    }

    @Test("5.2: \"When servers start up, they begin as followers\"")
    func startAsFollower() throws {
        let replica = try Replica.fresh()
        #expect(replica.raft.status.role == .follower)
        try replica.elect()
        try replica.crash()
        #expect(replica.raft.status.role == .follower)
    }

    @Test("5.2: \"Leaders send periodic heartbeats (AppendEntries RPCs that carry no log entries) to all followers\"")
    func leaderSendsHeartbeats() throws {
        let replica = try Replica.fresh { $0.heartbeatTicks = 3 }
        try replica.elect()
        for tick in 1...9 {
            replica.raft.tick()
            let said = try replica.drain().filter { $0.kind == .heartbeat }
            #expect(said.map(\.to) == (tick % 3 == 0 ? [two, three] : []))
            #expect(said.allSatisfy { $0.entries.isEmpty })
        }
    }

    /// 5.2: "If a follower receives no communication over a period of time called the election timeout" it starts an
    /// election
    @Test("5.2: silence for an election timeout starts an election")
    func silenceStartsElection() throws {
        let replica = try Replica.fresh()
        replica.raft.setElectionTimeout(12)
        for _ in 0..<11 { replica.raft.tick() }
        try replica.hear(Message(.heartbeat, from: two, term: Term(1)))
        replica.raft.setElectionTimeout(12)
        for _ in 0..<11 {
            replica.raft.tick()
            #expect(replica.raft.status.role == .follower)
        }
        replica.raft.tick()
        #expect(replica.raft.status.role == .candidate)
    }

    /// 5.2: "To begin an election, a follower increments its current term and transitions to candidate state. It then
    /// votes for itself and issues RequestVote RPCs in parallel to each of the other servers"
    @Test("5.2: a candidate raises its term, votes for itself and asks everyone")
    func electionBegins() throws {
        let replica = try Replica.holding(terms: [1, 2])
        try replica.raft.campaign()
        let said = try replica.drain()
        #expect(replica.raft.status.term == Term(3))
        #expect(replica.raft.status.role == .candidate)
        #expect(replica.raft.status.vote == replica.id)
        #expect(said.map(\.to) == [two, three])
        for request in said {
            #expect(request.kind == .vote && request.term == Term(3))
            #expect(request.logTerm == Term(2) && request.index == LogIndex(4))
        }
    }

    /// 5.2: "A candidate wins an election if it receives votes from a majority of the servers in the full cluster for
    /// the same term"
    @Test("5.2: a majority for the same term wins")
    func majorityWins() throws {
        for size in [1, 3, 5, 7] as [UInt64] {
            for granted in 0..<size {
                let replica = try Replica.fresh(voters: size)
                try replica.raft.campaign()
                try replica.drain()
                for voter in 2..<(2 + granted) where voter <= size {
                    try replica.hear(Message(.voteResponse, from: ReplicaID(voter), term: Term(1)))
                }
                let wins = granted + 1 > size / 2
                #expect((replica.raft.status.role == .leader) == wins, "\(granted) votes of \(size)")
            }
        }
    }

    @Test("a repeated vote counts once, and a refusal is not a vote")
    func votesCountOnce() throws {
        let replica = try Replica.fresh(voters: 5)
        try replica.raft.campaign()
        try replica.drain()
        for _ in 0..<3 { try replica.hear(Message(.voteResponse, from: two, term: Term(1))) }
        try replica.hear(Message(.voteResponse, from: three, term: Term(1), reject: true))
        try replica.hear(Message(.voteResponse, from: three, term: Term(1)))
        #expect(replica.raft.status.role == .candidate)
    }

    @Test(
        "5.2: \"Each server will vote for at most one candidate in a given term, on a first-come-first-served basis\"")
    func oneVoteATerm() throws {
        let replica = try Replica.fresh()
        func ask(_ candidate: ReplicaID) throws -> Bool? {
            let request = Message(.vote, from: candidate, term: Term(1), logTerm: Term(1), index: LogIndex(2))
            return try replica.hear(request).first { $0.kind == .voteResponse }.map { !$0.reject }
        }
        #expect(try ask(two) == true)
        #expect(try ask(three) == false)
        #expect(try ask(two) == true, "the answer may have been lost")
        try replica.crash()
        #expect(try ask(three) == false, "a restart does not forget the vote")
    }

    @Test("3.8 of the thesis: the vote leaves only when it is durable")
    func voteIsDurableFirst() throws {
        let replica = try Replica.fresh()
        try replica.raft.step(
            Message(.vote, from: two, to: replica.id, term: Term(1), logTerm: Term(1), index: LogIndex(2)))
        #expect(replica.takeReady().isEmpty)
        #expect(replica.appendWork.first?.hardState?.vote == two)
        #expect(replica.appendWork.first?.responses.map(\.kind) == [.voteResponse])
    }

    @Test("5.2: \"the candidate recognizes the leader as legitimate and returns to follower state\"")
    func candidateYields() throws {
        for term in [1, 2] as [UInt64] {
            let replica = try Replica.fresh()
            try replica.raft.campaign()
            try replica.drain()
            try replica.hear(Message(.append, from: two, term: Term(term), logTerm: Term(1), index: LogIndex(2)))
            #expect(replica.raft.status.role == .follower && replica.raft.status.leader == two)
            #expect(replica.raft.status.term == Term(term))
        }
    }

    @Test("5.2: \"election timeouts are chosen randomly from a fixed interval\", and each one of it occurs")
    func timeoutsAreRandom() throws {
        let replica = try Replica.fresh()
        var seen: Set<Int> = []
        for term in 1...400 {
            try replica.hear(Message(.heartbeat, from: two, term: Term(UInt64(term))))
            var ticks = 0
            while replica.raft.status.role == .follower {
                replica.raft.tick()
                ticks += 1
            }
            seen.insert(ticks)
            try replica.drain()
            try replica.hear(Message(.heartbeat, from: two, term: replica.raft.status.term))
        }
        #expect(seen == Set(10..<20))
    }
}
