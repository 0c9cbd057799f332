import GrapeRaft
import Testing

@Suite("Messages that cannot be trusted")
struct HostileMessageTests {
    private let two = ReplicaID(2)

    private func leader() throws -> Replica {
        let replica = try Replica.fresh()
        try replica.elect()
        _ = try replica.acknowledge(2, 3)
        return replica
    }

    @Test("random messages never trap a replica, and leave it consistent or stopped", arguments: 0..<20)
    func randomMessages(seed: Int) throws {
        var random = RaftRandom(seed: UInt64(seed))
        for _ in 0..<100 {
            let replica = try seed % 2 == 0 ? leader() : Replica.holding(terms: [1, 1, 2])
            var before = replica.raft.status
            for _ in 0..<60 {
                try? replica.raft.step(message(&random, to: replica))
                if random.isLucky(1, in: 3) { replica.raft.tick() }
                if random.isLucky(1, in: 3) { _ = try? replica.drain() }
                let status = replica.raft.status
                #expect(status.term >= before.term && status.commit >= before.commit)
                #expect(status.applied <= status.commit && status.commit <= status.lastIndex)
                before = status
                if replica.raft.stopReason != nil {
                    #expect(!replica.raft.hasReady && replica.raft.ready().messages.isEmpty)
                    break
                }
            }
        }
    }

    /// Values around the real ones, and now and then far away.
    private func number(_ random: inout RaftRandom) -> UInt64 {
        random.isLucky(1, in: 40) ? random.next() : random.number(8)
    }

    private func message(_ random: inout RaftRandom, to replica: Replica) -> Message {
        let kinds = MessageKind.allCases.filter { !$0.isLocal }
        let isTrue = random.isLucky(4, in: 5)
        var message = Message(
            kinds[Int(random.number(UInt64(kinds.count)))],
            from: ReplicaID(isTrue ? 2 + random.number(2) : number(&random)),
            to: isTrue ? replica.id : ReplicaID(number(&random)), term: Term(number(&random)),
            logTerm: Term(number(&random)), index: LogIndex(number(&random)), commit: LogIndex(number(&random)),
            reject: random.isLucky(1, in: 2), isTransfer: random.isLucky(1, in: 2),
            rejectHint: LogIndex(number(&random)), context: number(&random))
        if isTrue && message.from == replica.id { message.from = two }
        let isChained = random.isLucky(1, in: 2)
        for offset in 0..<random.number(4) {
            let index = isChained ? message.index.rawValue &+ offset &+ 1 : number(&random)
            let kind = EntryKind(rawValue: UInt8(random.number(3))) ?? .normal
            let data = (0..<random.number(6)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            message.entries.append(
                Entry(
                    term: isChained ? message.term : Term(number(&random)), index: LogIndex(index), kind: kind,
                    data: data))
        }
        if random.isLucky(1, in: 2) { message.snapshot = snapshot(&random) }
        return message
    }

    private func snapshot(_ random: inout RaftRandom) -> Snapshot {
        func ids() -> [ReplicaID] { (0..<random.number(4)).map { _ in ReplicaID(number(&random)) } }
        let confState = ConfState(
            voters: random.isLucky(1, in: 2) ? [ReplicaID(1), two] : ids(), votersOutgoing: ids(), learners: ids(),
            learnersNext: ids(), autoLeave: random.isLucky(1, in: 2))
        return Snapshot(term: Term(number(&random)), index: LogIndex(number(&random)), confState: confState)
    }

    @Test("kinds of this node are refused from outside")
    func localKinds() throws {
        let replica = try leader()
        for kind in MessageKind.allCases where kind.isLocal || kind == .forgetLeader {
            #expect(throws: RaftError.localMessage(kind)) { try replica.hear(Message(kind, from: two, term: Term(1))) }
        }
        #expect(throws: RaftError.self) {
            try replica.hear(Message(.append, from: .appendThread, term: Term(1)))
        }
    }

    @Test("answers of strangers, and what is meant for others, are refused")
    func strangers() throws {
        let replica = try leader()
        let nine = ReplicaID(9)
        #expect(throws: RaftError.peerNotFound(nine)) {
            try replica.hear(Message(.appendResponse, from: nine, term: Term(1), index: LogIndex(3)))
        }
        #expect(throws: RaftError.self) {
            try replica.raft.step(Message(.heartbeat, from: two, to: nine, term: Term(1)))
        }
        #expect(throws: RaftError.self) { try replica.hear(Message(.heartbeat, from: replica.id, term: Term(2))) }
        #expect(throws: RaftError.self) { try replica.hear(Message(.append, term: Term(2))) }
        #expect(replica.raft.status.term == Term(1))
    }

    @Test("appends with gaps, falling or future terms are refused")
    func brokenAppends() throws {
        let chains: [[(term: UInt64, index: UInt64)]] = [
            [(2, 4)], [(2, 3), (2, 5)], [(2, 3), (1, 4)], [(3, 3)], [(0, 3)], [(2, 3), (2, 3)],
        ]
        for chain in chains {
            let replica = try Replica.fresh()
            let entries = chain.map { Entry(term: Term($0.term), index: LogIndex($0.index)) }
            #expect(throws: RaftError.self, "\(chain)") {
                try replica.hear(
                    Message(
                        .append, from: two, term: Term(2), logTerm: Term(1), index: LogIndex(2), entries: entries))
            }
            #expect(replica.raft.status.lastIndex == LogIndex(2) && replica.raft.status.term == .zero)
        }
    }

    @Test("terms and indexes beyond any real one are refused")
    func hugeNumbers() throws {
        let replica = try leader()
        let huge = [
            Message(.heartbeat, from: two, term: Term(.max)),
            Message(.vote, from: two, term: Term(1 << 63), logTerm: Term(1), index: LogIndex(1)),
            Message(.appendResponse, from: two, term: Term(1), index: LogIndex(.max)),
            Message(.append, from: two, term: Term(2), logTerm: Term(1), index: LogIndex(.max)),
            Message(.heartbeat, from: two, term: Term(2), commit: LogIndex(.max)),
        ]
        for message in huge { #expect(throws: RaftError.self, "\(message.kind)") { try replica.hear(message) } }
        #expect(replica.raft.status.term == Term(1) && replica.raft.stopReason == nil)
    }

    @Test("acknowledgements of what was never sent are refused")
    func impossibleAcknowledgement() throws {
        let replica = try leader()
        #expect(throws: RaftError.self) { try replica.acknowledge(2, 4) }
        #expect(throws: RaftError.self) {
            try replica.hear(
                Message(
                    .appendResponse, from: two, term: Term(1), index: LogIndex(3), reject: true,
                    rejectHint: LogIndex(4)))
        }
        #expect(replica.raft.status.commit == LogIndex(3))
    }

    @Test("a commit index beyond the log stops the replica: what it acknowledged is gone")
    func commitBeyondLog() throws {
        let replica = try Replica.fresh()
        let reason = StopReason.commitBeyondLog(commit: LogIndex(5), lastIndex: LogIndex(2))
        #expect(throws: RaftError.stopped(reason)) {
            try replica.hear(Message(.heartbeat, from: two, term: Term(1), commit: LogIndex(5)))
        }
        #expect(replica.raft.stopReason == reason && !replica.raft.hasReady)
        #expect(throws: RaftError.stopped(reason)) { try replica.raft.campaign() }
        replica.raft.tick()
        #expect(replica.raft.ready().messages.isEmpty)
    }

    @Test("an append against a committed entry stops the replica")
    func committedConflict() throws {
        let replica = try Replica.holding(terms: [1, 1, 1])
        try replica.hear(Message(.heartbeat, from: two, term: Term(1), commit: LogIndex(4)))
        let reason = StopReason.committedEntryConflict(index: LogIndex(4), committed: LogIndex(4))
        // The log before the committed entry is offered again with another continuation.
        try replica.hear(Message(.heartbeat, from: two, term: Term(3)))
        let append = Message(
            .append, from: two, term: Term(3), logTerm: Term(1), index: LogIndex(3),
            entries: [Entry(term: Term(3), index: LogIndex(4))])
        #expect(try replica.hear(append).map(\.index) == [LogIndex(4)], "old news is not even looked at")
        #expect(replica.raft.stopReason == nil)
        var log = try RaftLog(storage: replica.storage, applyingBytesMax: .max)
        log.advanceCommit(to: LogIndex(4))
        #expect(throws: RaftError.stopped(reason)) {
            try log.append(append.entries, after: EntryID(term: Term(1), index: LogIndex(3)), commit: .zero)
        }
    }

    @Test("a second leader in one term stops the replica")
    func secondLeader() throws {
        let replica = try Replica.fresh()
        try replica.hear(Message(.heartbeat, from: two, term: Term(1)))
        try replica.raft.forgetLeader()
        #expect(replica.raft.status.leader == .none)
        #expect(throws: RaftError.stopped(.twoLeaders(term: Term(1), first: two, second: ReplicaID(3)))) {
            try replica.hear(Message(.heartbeat, from: ReplicaID(3), term: Term(1)))
        }
    }

    @Test("proposals without entries or with unreadable changes are refused")
    func brokenProposals() throws {
        let replica = try leader()
        #expect(throws: RaftError.self) { try replica.hear(Message(.propose, from: two)) }
        #expect(throws: RaftError.confChange(.undecodable)) {
            try replica.hear(
                Message(.propose, from: two, entries: [Entry(kind: .confChangeV2, data: [0xFF, 0xFF])]))
        }
        #expect(replica.raft.status.lastIndex == LogIndex(3))
    }

    @Test("a snapshot with an impossible configuration is refused, one without this replica ignored")
    func brokenSnapshots() throws {
        let replica = try Replica.fresh()
        let impossible = ConfState(voters: [ReplicaID(1)], learners: [ReplicaID(1)])
        #expect(throws: RaftError.self) {
            try replica.hear(
                Message(
                    .snapshot, from: two, term: Term(1),
                    snapshot: Snapshot(term: Term(1), index: LogIndex(9), confState: impossible)))
        }
        let foreign = Snapshot(term: Term(1), index: LogIndex(9), confState: ConfState(voters: [two]))
        let answer = try replica.hear(Message(.snapshot, from: two, term: Term(1), snapshot: foreign))
        #expect(answer.map(\.index) == [LogIndex(2)] && replica.raft.status.commit == LogIndex(2))
    }
}
