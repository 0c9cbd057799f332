import GrapeRaft
import Testing

/// Random histories under every kind of fault; `Group` watches. A failure names its seed.
@Suite("Raft under faults")
struct ChaosTests {
    @Test("lost, duplicated and reordered messages and crashes break nothing", arguments: 0..<30)
    func messageFaults(seed: Int) throws {
        var group = try Group(voters: [1, 2, 3], seed: UInt64(seed)) { configuration in
            configuration.inflightMessagesMax = 1 + seed % 4
            configuration.messageBytesMax = seed % 3 == 0 ? 0 : 64
            configuration.checkQuorum = seed % 2 == 0
            configuration.preVote = seed % 5 != 0
        }
        group.faults = Group.Faults(loss: 20, duplication: 50, reordering: 100, crash: 5, compaction: 20)
        try play(&group, events: 15_000)
    }

    @Test("membership changes under faults break nothing", arguments: 0..<30)
    func membershipFaults(seed: Int) throws {
        var group = try Group(voters: [1, 2, 3], learners: [4], spares: [5], seed: UInt64(1000 + seed)) {
            // A removed leader that goes on leading would let nothing new in.
            $0.stepDownOnRemoval = true
        }
        group.faults = Group.Faults(
            loss: 10, duplication: 20, reordering: 50, crash: 3, confChange: 50, compaction: 10)
        try play(&group, events: 15_000)
    }

    @Test("a single replica survives crashes")
    func singleReplica() throws {
        var group = try Group(voters: [1], seed: 7)
        group.faults = Group.Faults(crash: 20, compaction: 20)
        try play(&group, events: 20_000)
    }

    /// Runs events, then calm, then sees that what is proposed reaches everyone.
    private func play(_ group: inout Group, events: Int) throws {
        for _ in 0..<events { try group.happen() }
        try group.settle()
        let before = group.commitMax
        let leader = try #require(group.leader, "seed \(group.seed): no leader after the faults ended")
        if leader.raft.status.confState.votersOutgoing != [] { try? leader.raft.proposeConfChange(.leaveJoint) }
        try leader.raft.propose([255])
        try group.settle()
        let members = try #require(group.leader).raft.status.confState
        #expect(group.commitMax > before)
        for id in members.voters + members.learners {
            #expect(group.replica(id)?.applied == group.commitMax, "seed \(group.seed): \(id.rawValue) lags")
        }
        #expect(group.readsAnswered > 0)
    }
}
