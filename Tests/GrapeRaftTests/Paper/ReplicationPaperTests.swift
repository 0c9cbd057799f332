import GrapeRaft
import Testing

/// Sentences of sections 5.3 to 5.5.
@Suite("The paper, replication and safety")
struct ReplicationPaperTests {
    private let two = ReplicaID(2)
    private let three = ReplicaID(3)

    /// A leader of term 1 whose empty entry (index 3) is committed.
    private func leader(voters: UInt64 = 3) throws -> Replica {
        let replica = try Replica.fresh(voters: voters)
        try replica.elect()
        for follower in 2...voters { _ = try replica.acknowledge(follower, 3) }
        return replica
    }

    /// 5.3: "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in parallel to
    /// each of the other servers"
    @Test("5.3: a proposal goes into the log and to everyone")
    func leaderReplicates() throws {
        let replica = try leader()
        try replica.raft.propose([7])
        let said = try replica.drain()
        #expect(said.map(\.to) == [two, three])
        for append in said {
            #expect(append.kind == .append && append.logTerm == Term(1) && append.index == LogIndex(3))
            #expect(append.entries == [Entry(term: Term(1), index: LogIndex(4), data: [7])])
        }
    }

    /// 5.3: "A log entry is committed once the leader that created the entry has replicated it on a majority of the
    /// servers"
    @Test("5.3: an entry on a majority is committed")
    func majorityCommits() throws {
        for size in [3, 5] as [UInt64] {
            let replica = try leader(voters: size)
            try replica.raft.propose([7])
            try replica.drain()
            for follower in 2...size {
                let isCommitted = replica.raft.status.commit == LogIndex(4)
                #expect(isCommitted == (follower - 1 > size / 2), "\(follower - 1) of \(size)")
                _ = try replica.acknowledge(follower, 4)
            }
        }
    }

    @Test("thesis 10.2.1: a leader that has not made an entry durable does not count itself")
    func unsyncedLeaderDoesNotCount() throws {
        let replica = try leader()
        try replica.raft.propose([7])
        _ = replica.takeReady()
        try replica.raft.step(
            Message(.appendResponse, from: two, to: replica.id, term: Term(1), index: LogIndex(4)))
        #expect(replica.raft.status.commit == LogIndex(3))
        try replica.drain()
        #expect(replica.raft.status.commit == LogIndex(4))
    }

    /// 5.3: "This also commits all preceding entries in the leader's log, including entries created by previous
    /// leaders"
    @Test("5.3: everything before a committed entry is committed")
    func precedingEntriesAreCommitted() throws {
        for terms in [[], [2], [1, 2], [1, 1, 2]] as [[UInt64]] {
            let replica = try Replica.holding(terms: terms)
            try replica.elect()
            let last = replica.raft.status.lastIndex
            _ = try replica.acknowledge(2, last.rawValue)
            #expect(replica.raft.status.commit == last && replica.applied == last)
        }
    }

    /// 5.3: "Once a follower learns that a log entry is committed, it applies the entry to its local state machine (in
    /// log order)"
    @Test("5.3: a follower applies what is committed, in order")
    func followerApplies() throws {
        let replica = try Replica.fresh()
        let entries = (3...5).map { Entry(term: Term(1), index: LogIndex($0), data: [UInt8($0)]) }
        try replica.hear(
            Message(.append, from: two, term: Term(1), logTerm: Term(1), index: LogIndex(2), entries: entries))
        #expect(replica.applied == LogIndex(2))
        try replica.raft.step(
            Message(.heartbeat, from: two, to: replica.id, term: Term(1), commit: LogIndex(4)))
        _ = replica.takeReady()
        #expect(replica.applyWork.flatMap(\.entries) == Array(entries[..<2]))
    }

    /// 5.3: "If the follower does not find an entry in its log with the same index and term, then it refuses the new
    /// entries"
    @Test("5.3: entries that do not fit are refused")
    func followerRefuses() throws {
        let cases: [(term: UInt64, index: UInt64, isRefused: Bool, hint: UInt64)] = [
            (1, 3, false, 0), (2, 4, false, 0), (1, 4, true, 3), (3, 4, true, 4), (2, 9, true, 4),
        ]
        for probe in cases {
            let replica = try Replica.holding(terms: [1, 2])
            let answer = try #require(
                try replica.hear(
                    Message(
                        .append, from: two, term: Term(3), logTerm: Term(probe.term), index: LogIndex(probe.index))
                ).first)
            #expect(answer.kind == .appendResponse && answer.reject == probe.isRefused, "\(probe)")
            #expect(answer.index == LogIndex(probe.index) && answer.rejectHint == LogIndex(probe.hint), "\(probe)")
        }
    }

    /// 5.3: "delete any entries in the follower's log after that point, and send the follower all of the leader's
    /// entries after that point"
    @Test("5.3: a follower's diverging entries are replaced")
    func followerIsOverwritten() throws {
        let cases: [(after: UInt64, term: UInt64, sent: [UInt64], result: [UInt64])] = [
            (4, 2, [3], [1, 2, 3]), (3, 1, [3, 4], [1, 3, 4]), (2, 1, [1], [1, 2]), (2, 1, [3], [3]),
        ]
        for append in cases {
            let replica = try Replica.holding(terms: [1, 2])
            let entries = append.sent.enumerated().map { offset, term in
                Entry(term: Term(term), index: LogIndex(append.after + 1 + UInt64(offset)))
            }
            try replica.hear(
                Message(
                    .append, from: two, term: Term(9), logTerm: Term(append.term), index: LogIndex(append.after),
                    entries: entries))
            #expect(try replica.storedTerms() == append.result, "\(append)")
        }
    }

    @Test("figure 7: a leader brings every kind of follower to its own log")
    func figureSeven() throws {
        let leaderTerms: [UInt64] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
        let followers: [[UInt64]] = [
            [1, 1, 1, 4, 4, 5, 5, 6, 6], [1, 1, 1, 4], [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
            [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7], [1, 1, 1, 4, 4, 4, 4], [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
        ]
        for terms in followers {
            let leader = try Replica.holding(terms: leaderTerms, term: 7)
            let follower = try Replica.holding(terms: terms, id: 2, term: 7)
            var said = try leader.elect()
            for _ in 0..<40 {
                var answers: [Message] = []
                for message in said where message.to == follower.id { answers += try follower.hear(message) }
                said = try answers.flatMap { try leader.hear($0) }
            }
            #expect(try follower.storedTerms() == leaderTerms + [8], "\(terms)")
        }
    }

    @Test("5.4.1: \"the voter denies its vote if its own log is more up-to-date than that of the candidate\"")
    func voterComparesLogs() throws {
        let cases: [(log: [UInt64], term: UInt64, index: UInt64, isGranted: Bool)] = [
            ([1], 1, 3, true), ([1], 1, 4, true), ([1, 1], 1, 3, false), ([1], 2, 3, true), ([1], 2, 4, true),
            ([1, 1], 2, 3, true), ([2], 1, 3, false), ([2], 1, 4, false), ([2, 1], 1, 3, false),
        ]
        for request in cases {
            let replica = try Replica.holding(terms: request.log, term: 2)
            let vote = Message(
                .vote, from: two, term: Term(3), logTerm: Term(request.term), index: LogIndex(request.index))
            let answer = try #require(try replica.hear(vote).first)
            #expect(answer.reject != request.isGranted, "\(request)")
        }
    }

    @Test("5.4.2: \"Raft never commits log entries from previous terms by counting replicas\"")
    func oldTermsAreNotCounted() throws {
        let replica = try Replica.holding(terms: [1, 2])
        try replica.elect()
        #expect(replica.raft.status.term == Term(3) && replica.raft.status.lastIndex == LogIndex(5))
        _ = try replica.acknowledge(2, 4)
        #expect(replica.raft.status.commit == LogIndex(2), "entry 4 of term 2 is on a majority")
        _ = try replica.acknowledge(2, 5)
        #expect(replica.raft.status.commit == LogIndex(5))
    }

    @Test("5.5: \"Raft RPCs are idempotent, so this causes no harm\"")
    func repetitionIsHarmless() throws {
        let replica = try Replica.fresh()
        let append = Message(
            .append, from: two, term: Term(1), logTerm: Term(1), index: LogIndex(2), commit: LogIndex(4),
            entries: [Entry(term: Term(1), index: LogIndex(3)), Entry(term: Term(1), index: LogIndex(4))])
        var shorter = append
        shorter.entries.removeLast()
        let first = try replica.hear(append)
        #expect(try replica.hear(append).map(\.index) == first.map(\.index))
        _ = try replica.hear(shorter)
        #expect(replica.raft.status.lastIndex == LogIndex(4), "an older, shorter message cuts nothing")
        #expect(replica.applied == LogIndex(4))
    }

    @Test("5.3: \"a leader never overwrites or deletes entries in its own log\"")
    func leaderAppendsOnly() throws {
        let replica = try leader()
        #expect(throws: RaftError.stopped(.twoLeaders(term: Term(1), first: replica.id, second: two))) {
            try replica.hear(
                Message(
                    .append, from: two, term: Term(1), logTerm: Term(1), index: LogIndex(2),
                    entries: [Entry(term: Term(1), index: LogIndex(3), data: [1])]))
        }
        #expect(try replica.storedTerms() == [1])
    }
}
