import GrapeRaft
import Testing

@Suite("Flow control and limits")
struct FlowControlTests {
    private let two = ReplicaID(2)
    private let three = ReplicaID(3)

    /// A leader of term 1 whose followers have everything up to its empty entry (index 3).
    private func leader(configure: (inout RaftConfiguration) -> Void) throws -> Replica {
        let replica = try Replica.fresh(configure: configure)
        try replica.elect()
        for follower in [2, 3] as [UInt64] { _ = try replica.acknowledge(follower, 3) }
        return replica
    }

    private func appends(_ said: [Message], to follower: ReplicaID) -> [[UInt64]] {
        said.filter { $0.kind == .append && $0.to == follower }.map { $0.entries.map(\.index.rawValue) }
    }

    @Test("a full window holds entries back until an answer frees it")
    func windowInMessages() throws {
        let replica = try leader { $0.inflightMessagesMax = 2 }
        var said: [Message] = []
        for value in 1...4 as ClosedRange<UInt8> {
            try replica.raft.propose([value])
            said += try replica.drain()
        }
        #expect(appends(said, to: two) == [[4], [5]])
        #expect(appends(try replica.acknowledge(2, 4), to: two).contains([6, 7]))
    }

    @Test("the window is bounded in bytes, too")
    func windowInBytes() throws {
        let replica = try leader {
            $0.messageBytesMax = 100
            $0.inflightBytesMax = 150
        }
        var said: [Message] = []
        for _ in 1...4 {
            try replica.raft.propose([UInt8](repeating: 1, count: 80))
            said += try replica.drain()
        }
        #expect(appends(said, to: two) == [[4], [5]], "the second message overshoots, the third waits")
        #expect(appends(try replica.acknowledge(2, 5), to: two).contains([6]))
    }

    @Test("when every message in the window is lost, a heartbeat's answer shows it")
    func lostWindow() throws {
        let replica = try leader { $0.inflightMessagesMax = 1 }
        try replica.raft.propose([1])
        try replica.drain()
        let probe = try replica.hear(Message(.heartbeatResponse, from: two, term: Term(1)))
        #expect(appends(probe, to: two) == [[]])
        let retry = try replica.hear(
            Message(
                .appendResponse, from: two, term: Term(1), logTerm: Term(1), index: LogIndex(4), reject: true,
                rejectHint: LogIndex(3)))
        #expect(appends(retry, to: two) == [[4]])
    }

    @Test("a message holds at most its bytes, and one entry at least")
    func messageBytes() throws {
        let replica = try leader { $0.messageBytesMax = 60 }
        try replica.raft.propose([[UInt8]](repeating: [UInt8](repeating: 1, count: 20), count: 4))
        #expect(appends(try replica.drain(), to: two).first == [4, 5])
        let tiny = try leader { $0.messageBytesMax = 0 }
        try tiny.raft.propose([[1], [2]])
        #expect(appends(try tiny.drain(), to: two).first == [4])
    }

    @Test("proposals are dropped while too much is uncommitted, empty ones never")
    func uncommittedBytes() throws {
        let replica = try leader { $0.uncommittedBytesMax = 100 }
        try replica.raft.propose([UInt8](repeating: 1, count: 500))
        #expect(throws: RaftError.proposalDropped) { try replica.raft.propose([1]) }
        try replica.raft.propose([UInt8]())
        try replica.drain()
        _ = try replica.acknowledge(2, 5)
        try replica.raft.propose([1])
    }

    @Test("a follower forwards proposals, unless it may not or knows no leader")
    func forwarding() throws {
        let replica = try Replica.fresh()
        #expect(throws: RaftError.proposalDropped) { try replica.raft.propose([1]) }
        try replica.hear(Message(.heartbeat, from: two, term: Term(1)))
        try replica.raft.propose([1])
        let forwarded = try replica.drain()
        #expect(forwarded.map(\.kind) == [.propose] && forwarded.map(\.to) == [two])
        #expect(forwarded.map(\.term) == [.zero])
        let silent = try Replica.fresh { $0.disableProposalForwarding = true }
        try silent.hear(Message(.heartbeat, from: two, term: Term(1)))
        #expect(throws: RaftError.proposalDropped) { try silent.raft.propose([1]) }
    }

    @Test("no more is handed out for applying than its bytes until some is applied")
    func applyingBytes() throws {
        let replica = try leader { $0.applyingBytesMax = 60 }
        try replica.raft.propose([[UInt8]](repeating: [UInt8](repeating: 1, count: 20), count: 4))
        _ = replica.takeReady()
        while !replica.appendWork.isEmpty {
            for message in try replica.append() where message.to == replica.id { try replica.raft.step(message) }
        }
        try replica.raft.step(
            Message(.appendResponse, from: two, to: replica.id, term: Term(1), index: LogIndex(7)))
        _ = replica.takeReady()
        _ = replica.takeReady()
        #expect(replica.applyWork.map { $0.entries.map(\.index.rawValue) } == [[4, 5]])
        for message in try replica.apply({ _ in }) { try replica.raft.step(message) }
        _ = replica.takeReady()
        #expect(replica.applyWork.map { $0.entries.map(\.index.rawValue) } == [[6, 7]])
    }
}
