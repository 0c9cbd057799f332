import GrapeRaft
import Testing

@Suite("Reads")
struct ReadTests {
    private let two = ReplicaID(2)
    private let three = ReplicaID(3)

    /// A leader of term 1 that has committed its empty entry (index 3).
    private func leader(voters: UInt64 = 3) throws -> Replica {
        let replica = try Replica.fresh(voters: voters)
        try replica.elect()
        for follower in 2...voters { _ = try replica.acknowledge(follower, 3) }
        return replica
    }

    private func confirm(_ replica: Replica, _ follower: ReplicaID, _ round: UInt64) throws {
        try replica.hear(
            Message(.heartbeatResponse, from: follower, term: replica.raft.status.term, context: round))
    }

    @Test("a read is answered when a majority has confirmed a round sent after it")
    func roundConfirms() throws {
        let replica = try leader(voters: 5)
        try replica.raft.readIndex(ReadContext(7))
        let round = try replica.drain().filter { $0.kind == .heartbeat }
        #expect(round.count == 4 && Set(round.map(\.context)) == [1])
        try confirm(replica, two, 1)
        #expect(replica.takeReads().isEmpty)
        try confirm(replica, three, 1)
        #expect(replica.takeReads() == [ReadState(index: LogIndex(3), context: ReadContext(7))])
    }

    @Test("one round confirms every read that waited when it was sent, and none that came later")
    func roundsBatch() throws {
        let replica = try leader()
        for context in 1...3 { try replica.raft.readIndex(ReadContext(UInt64(context))) }
        try replica.drain()
        try confirm(replica, two, 2)
        #expect(replica.takeReads().map(\.context.rawValue) == [1, 2])
        try replica.raft.readIndex(ReadContext(4))
        try replica.drain()
        try confirm(replica, three, 3)
        #expect(replica.takeReads().map(\.context.rawValue) == [3])
        replica.raft.tick()
        #expect(try replica.drain().filter { $0.kind == .heartbeat }.allSatisfy { $0.context == 4 })
        try confirm(replica, two, 4)
        #expect(replica.takeReads().map(\.context.rawValue) == [4])
    }

    @Test("a late answer to an earlier round does not confirm a retry under the same context")
    func lateAnswerConfirmsNothingNew() throws {
        let replica = try leader()
        try replica.raft.readIndex(ReadContext(9))
        try replica.drain()
        // The answers are lost; the reader asks again with the context it used before.
        try replica.raft.readIndex(ReadContext(9))
        try replica.drain()
        try confirm(replica, two, 1)
        #expect(replica.takeReads().count == 1, "the first read, at the index it had then")
        try confirm(replica, three, 1)
        try confirm(replica, two, 1)
        #expect(replica.takeReads().isEmpty)
        try confirm(replica, two, 2)
        #expect(replica.takeReads().count == 1)
    }

    @Test("no read is answered before an entry of the term is committed, with any number of voters", arguments: [1, 3])
    func readsWaitForTheTerm(voters: Int) throws {
        let replica = try Replica.holding(terms: [1, 1], voters: UInt64(voters))
        try replica.raft.campaign()
        if voters > 1 { try replica.elect() }
        while replica.raft.status.role != .leader {
            for message in try replica.takeReady() + replica.append() { try replica.raft.step(message) }
        }
        try replica.raft.readIndex(ReadContext(1))
        #expect(replica.takeReady().allSatisfy { $0.context == 0 } && replica.takeReads().isEmpty)
        try replica.drain()
        if voters > 1 {
            #expect(replica.takeReads().isEmpty)
            _ = try replica.acknowledge(2, 5)
            try confirm(replica, two, 1)
        }
        #expect(replica.takeReads() == [ReadState(index: LogIndex(5), context: ReadContext(1))])
    }

    @Test("a follower passes a read on and takes the answer")
    func followerForwards() throws {
        let follower = try Replica.fresh(2)
        try follower.hear(Message(.heartbeat, from: ReplicaID(1), term: Term(1)))
        try follower.raft.readIndex(ReadContext(5))
        let forwarded = try #require(try follower.drain().first { $0.kind == .readIndex })
        let leader = try leader()
        try leader.hear(forwarded)
        let said = try leader.hear(Message(.heartbeatResponse, from: three, term: Term(1), context: 1))
        let answer = try #require(said.first { $0.kind == .readIndexResponse })
        #expect(answer.to == follower.id && leader.takeReads().isEmpty)
        try follower.hear(answer)
        #expect(follower.takeReads() == [ReadState(index: LogIndex(3), context: ReadContext(5))])
    }

    @Test("a deposed leader answers nothing")
    func deposedLeaderIsSilent() throws {
        let replica = try leader()
        try replica.raft.readIndex(ReadContext(5))
        try replica.drain()
        try replica.hear(Message(.heartbeat, from: two, term: Term(2)))
        try replica.hear(Message(.heartbeatResponse, from: two, term: Term(1), context: 1))
        #expect(replica.takeReads().isEmpty)
    }

    @Test("learners do not confirm reads")
    func learnersDoNotConfirm() throws {
        let replica = try leader()
        try replica.raft.proposeConfChange(ConfChange([ConfChange.Step(.addLearner, ReplicaID(4))]))
        try replica.drain()
        _ = try replica.acknowledge(2, 4)
        try replica.raft.readIndex(ReadContext(5))
        try replica.drain()
        try confirm(replica, ReplicaID(4), 1)
        #expect(replica.takeReads().isEmpty)
    }

    @Test("a round that was never sent is no confirmation")
    func inventedRound() throws {
        let replica = try leader()
        #expect(throws: RaftError.self) { try confirm(replica, two, 1) }
        try replica.raft.readIndex(ReadContext(5))
        #expect(throws: RaftError.self) { try confirm(replica, two, .max) }
        #expect(replica.takeReads().isEmpty)
    }
}
