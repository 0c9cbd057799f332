import GrapeRaft
import Testing

@Suite("Restarts")
struct RestartTests {
    @Test(
        "a replica starts from every state it ever made durable, with term, vote and log as they were", arguments: 0..<8
    )
    func everyDurableState(seed: Int) throws {
        var group = try Group(voters: [1, 2, 3], learners: [4], seed: UInt64(500 + seed))
        group.faults = Group.Faults(
            loss: 20, duplication: 20, reordering: 50, crash: 2, confChange: 30, compaction: 20)
        for _ in 0..<6_000 {
            try group.happen()
            let replica = group.replicas[group.pick(4)]
            var configuration = replica.configuration
            configuration.applied = replica.applied
            let image = MemoryStorage(copying: replica.storage)
            let raft = try Raft(configuration, storage: image, random: RaftRandom(seed: 1))
            let status = raft.status
            #expect(status.role == .follower && status.leader == .none)
            #expect(status.term == replica.storage.hardState.term && status.vote == replica.storage.hardState.vote)
            #expect(try status.lastIndex == replica.storage.lastIndex())
            #expect(status.applied == replica.applied && status.commit >= replica.applied)
            #expect(status.term <= replica.raft.status.term && status.commit <= replica.raft.status.commit)
            #expect(!raft.hasReady || status.commit > status.applied)
        }
    }

    @Test("what is committed and not yet applied is handed out again, and nothing else")
    func unappliedIsHandedOut() throws {
        let replica = try Replica.holding(terms: [1, 1, 1])
        replica.storage.setHardState(HardState(term: Term(1), vote: ReplicaID(2), commit: LogIndex(4)))
        replica.applied = LogIndex(3)
        try replica.crash()
        let ready = replica.raft.ready()
        #expect(ready.committedEntries.map(\.index) == [LogIndex(4)])
        #expect(ready.hardState == nil && ready.entries.isEmpty && !ready.mustSync)
        #expect(replica.raft.status.vote == ReplicaID(2))
    }

    @Test("an applied index ahead of the durable commit index is believed")
    func appliedAheadOfCommit() throws {
        let replica = try Replica.holding(terms: [1, 1, 1])
        replica.applied = LogIndex(4)
        try replica.crash()
        #expect(replica.raft.status.commit == LogIndex(4))
    }

    @Test("states that no replica leaves behind are refused")
    func impossibleStates() throws {
        let replica = try Replica.holding(terms: [1])
        replica.storage.setHardState(HardState(term: Term(1), commit: LogIndex(4)))
        #expect(throws: RaftError.self, "commit beyond the log") { try replica.crash() }
        replica.storage.setHardState(HardState(term: Term(1), commit: LogIndex(3)))
        replica.applied = LogIndex(9)
        #expect(throws: RaftError.self, "applied beyond the log") { try replica.crash() }
        var configuration = replica.configuration
        configuration.electionTicks = configuration.heartbeatTicks
        #expect(throws: RaftError.self) {
            _ = try Raft(configuration, storage: replica.storage, random: RaftRandom(seed: 1))
        }
    }

    @Test("the same seed gives the same run")
    func runsRepeat() throws {
        func trace(_ seed: UInt64) throws -> [String] {
            var group = try Group(voters: [1, 2, 3], learners: [4], spares: [5], seed: seed)
            group.faults = Group.Faults(
                loss: 20, duplication: 20, reordering: 50, crash: 3, confChange: 30, compaction: 20)
            var lines: [String] = []
            for _ in 0..<4_000 {
                try group.happen()
                lines.append("\(group.network.last.map { Describe.message($0) } ?? "") \(group.commitMax.rawValue)")
            }
            return lines
        }
        #expect(try trace(11) == trace(11))
        #expect(try trace(11) != trace(12))
    }
}
