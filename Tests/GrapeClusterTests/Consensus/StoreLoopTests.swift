import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import Testing

/// Three store loops, their messages exchanged by hand.
@Suite struct StoreLoopTests {
    private let a = LoopCluster.a
    private let b = LoopCluster.b

    private func elected(_ leader: Int = 1, nodes: Int = 3, founders: Int = 3) throws -> LoopCluster {
        let cluster = try LoopCluster(nodes: nodes, founders: founders)
        try #require(try cluster.elect(leader) != nil)
        try cluster.tick(3)
        return cluster
    }

    // MARK: Writes

    @Test func `A write is applied on all nodes, and its proposer hears the outcome of its own entry`() throws {
        let cluster = try elected()
        let tokens = (0..<5).map { _ in cluster.token() }
        for (number, token) in tokens.enumerated() {
            cluster[1].loop.propose(number % 2 == 0 ? a : b, [UInt8(number)], token)
        }
        try cluster.settle()
        try cluster.tick(3)
        #expect(tokens.map { cluster[1].environment.answers[$0]?.word } == Array(repeating: "applied", count: 5))
        for node in cluster.nodes {
            #expect(node.commands(a) == [[0], [2], [4]])
            #expect(node.commands(b) == [[1], [3]])
        }
    }

    @Test func `Waiting proposals of all groups share one batch and one sync`() throws {
        let cluster = try elected()
        let environment = cluster[1].environment
        let (writes, syncs) = (environment.writes, environment.syncs)
        for number in 0..<50 { cluster[1].loop.propose(number % 2 == 0 ? a : b, [UInt8(number)], cluster.token()) }
        try cluster[1].loop.turn()
        #expect(environment.writes == writes + 1)
        try cluster.settle()
        #expect(environment.syncs == syncs + 1)
    }

    // MARK: Log

    /// Nothing would be cut by the number of entries.
    @Test(arguments: [nil, 1, 100] as [UInt64?])
    func `The log keeps little of what is applied everywhere, and all that a replica is known to lack`(
        appliedElsewhere: UInt64?
    ) throws {
        let cluster = try elected()
        for _ in 0..<40 { cluster[1].loop.propose(a, [UInt8](repeating: 1, count: 64 << 10), cluster.token()) }
        try cluster.settle()
        for node in cluster.nodes {
            node.loop.noteAppliedElsewhere(appliedElsewhere.map { [a: RaftIndex($0)] } ?? [:])
        }
        try cluster.tick(20)
        for node in cluster.nodes {
            let status = try #require(node.status(a))
            let kept = status.lastIndex.rawValue + 1 - status.firstIndex.rawValue
            #expect(appliedElsewhere == 100 ? (2...6).contains(kept) : kept >= 40, "\(kept) entries are kept")
        }
    }

    @Test func `A follower names the leader`() throws {
        let cluster = try elected(2)
        let token = cluster.token()
        cluster[1].loop.propose(a, [1], token)
        try cluster.settle()
        #expect(cluster[1].environment.answers[token]?.word == "not leader, 2 is")
    }

    @Test func `Nothing is said of what is not synced`() throws {
        let cluster = try elected()
        for node in cluster.nodes { node.holdsSyncs = true }
        let token = cluster.token()
        cluster[1].loop.propose(a, [1], token)
        try cluster.settle()
        #expect(cluster[1].environment.answers[token] == nil)
        cluster[1].holdsSyncs = false
        try cluster.settle()
        #expect(cluster[1].environment.answers[token] == nil, "the leader alone is no majority")
        cluster[3].holdsSyncs = false
        try cluster.settle()
        #expect(cluster[1].environment.answers[token]?.word == "applied")
    }

    @Test func `A majority may be had without the leader's own disk`() throws {
        let cluster = try elected()
        cluster[1].holdsSyncs = true
        let token = cluster.token()
        cluster[1].loop.propose(a, [1], token)
        try cluster.settle()
        try cluster.tick(2)
        #expect(cluster[2].commands(a) == [[1]])
        #expect(cluster[1].environment.answers[token] == nil, "it applies only what it has itself")
        cluster[1].holdsSyncs = false
        try cluster.settle()
        #expect(cluster[1].environment.answers[token]?.word == "applied")
    }

    @Test func `A vote is not given before it is synced`() throws {
        let cluster = try LoopCluster()
        cluster[2].holdsSyncs = true
        cluster.isolated = [NodeNumber(3)]
        #expect(try cluster.elect(1) == nil)
        cluster[2].holdsSyncs = false
        #expect(try cluster.elect(1) != nil)
    }

    @Test func `A proposal that another leader's entry displaced is lost, and says so`() throws {
        let cluster = try elected()
        cluster.isolated = [NodeNumber(1)]
        let (old, new) = (cluster.token(), cluster.token())
        cluster[1].loop.propose(a, [1], old)
        try cluster.settle()
        try cluster.tick(40, only: [1, 3])
        try #require(try cluster.elect(2) != nil)
        cluster[2].loop.propose(a, [2], new)
        try cluster.settle()
        #expect(cluster[2].environment.answers[new]?.word == "applied")
        #expect(cluster[1].environment.answers[old] == nil, "its fate is not known yet")
        cluster.isolated = []
        try cluster.tick(10)
        #expect(cluster[1].environment.answers[old]?.word == "lost")
        for node in cluster.nodes { #expect(node.commands(a) == [[2]]) }
    }

    @Test func `A proposal whose leader fell may be carried through by the next one, and says so`() throws {
        let cluster = try elected()
        cluster[1].holdsSyncs = true
        cluster[3].holdsSyncs = true
        let token = cluster.token()
        cluster[1].loop.propose(a, [7], token)
        try cluster.settle()
        cluster[1].holdsSyncs = false
        cluster[3].holdsSyncs = false
        cluster.isolated = [NodeNumber(1)]
        try cluster.tick(40, only: [1, 3])
        try #require(try cluster.elect(2) != nil)
        cluster.isolated = []
        try cluster.tick(10)
        #expect(cluster[1].environment.answers[token]?.word == "applied")
        for node in cluster.nodes { #expect(node.commands(a) == [[7]]) }
    }

    @Test func `A restarted node goes on where it was`() throws {
        let cluster = try elected()
        cluster[1].loop.propose(a, [1], cluster.token())
        try cluster.settle()
        try cluster.tick(3)
        try cluster[3].restart()
        cluster[1].loop.propose(a, [2], cluster.token())
        try cluster.settle()
        try cluster.tick(5)
        #expect(cluster[3].commands(a) == [[1], [2]])
        for node in [1, 2] { try cluster[node].restart() }
        try #require(try cluster.elect(3) != nil)
        cluster[3].loop.propose(a, [3], cluster.token())
        try cluster.settle()
        try cluster.tick(3)
        for node in cluster.nodes { #expect(node.commands(a) == [[1], [2], [3]]) }
    }

    @Test func `At its start a replica promises anew what its log holds, in a file that is synced`() throws {
        let cluster = try elected()
        cluster[1].loop.propose(a, [1], cluster.token())
        try cluster.settle()
        let promised = try #require(cluster[3].promises[a])
        try cluster[3].restart()
        try cluster[3].loop.turn()
        let request = try #require(cluster[3].environment.sync)
        #expect(request.promises[a] == promised)
        #expect(request.holdsVote)
    }

    // MARK: The disk

    @Test func `On a full disk nothing is said, and it goes on by itself`() throws {
        let cluster = try elected()
        cluster[1].environment.isFull = true
        let token = cluster.token()
        cluster[1].loop.propose(a, [1], token)
        cluster.forgetDelivered()
        try cluster.settle()
        #expect(cluster.delivered.isEmpty)
        #expect(cluster[1].environment.answers[token] == nil)
        cluster[1].environment.isFull = false
        try cluster.settle()
        #expect(cluster[1].environment.answers[token]?.word == "applied")
        for node in cluster.nodes { try node.restart() }
        #expect(cluster[1].status(a)?.lastIndex == cluster[2].status(a)?.lastIndex)
    }

    @Test func `A leader whose disk is full is followed by another, and nothing piles up in it`() throws {
        let cluster = try elected()
        cluster[1].environment.isFull = true
        cluster[1].loop.propose(a, [1], cluster.token())
        try cluster.tick(60, only: [1, 3])
        try #require(try cluster.elect(2) != nil)
        try cluster.tick(500)
        cluster.forgetDelivered()
        cluster[1].environment.isFull = false
        try cluster.settle()
        #expect(cluster.delivered.values.reduce(0, +) < 200)
        try cluster.tick(5)
        #expect(cluster[1].status(a)?.role == .follower)
    }

    // MARK: Messages

    @Test func `Messages that no other node may send are refused`() throws {
        let cluster = try elected()
        let loop = cluster[2].loop
        let (own, other) = (cluster[2].replica(a), cluster[1].replica(a))
        let term = try #require(cluster[2].status(a)?.term)
        let before = cluster[2].status(a)?.lastIndex
        let configuration = try #require(cluster[2].status(a)?.configuration)
        let snapshot = GrapeRaft.Snapshot(term: term, index: RaftIndex(1_000), confState: configuration)
        let bad: [Message] = [
            Message(.hup, from: own, to: own),
            Message(.storageAppendResponse, from: .appendThread, to: own, term: term),
            Message(.storageApplyResponse, from: .applyThread, to: own),
            Message(.heartbeat, from: own, to: own, term: term),
            Message(.heartbeat, from: other, to: cluster[3].replica(a), term: term),
            Message(.heartbeat, from: cluster[3].replica(a), to: own, term: term),
            Message(.propose, from: other, to: own, entries: [Entry(data: [1])]),
            Message(.snapshot, from: other, to: own, term: term, snapshot: snapshot),
        ]
        let refused = loop.refusedMessages
        for message in bad { loop.receive([GroupMessage(group: a, message: message)], from: NodeNumber(1)) }
        let elsewhere = GroupMessage(
            group: .shard(ShardID(9)), message: Message(.heartbeat, from: other, to: own, term: term))
        loop.receive([elsewhere], from: NodeNumber(1))
        #expect(loop.refusedMessages == refused + bad.count + 1)
        try cluster.settle()
        #expect(cluster[2].status(a)?.lastIndex == before)
        cluster[1].loop.propose(a, [5], cluster.token())
        try cluster.settle()
        try cluster.tick(3)
        #expect(cluster[2].commands(a) == [[5]])
    }

    @Test func `A lost replica says and takes nothing, and the others go on`() throws {
        let cluster = try LoopCluster(founders: 2)
        for group in [a, b] {
            try cluster[3].create(group, ConfState(voters: cluster.nodes.map { $0.replica(group) }), isLost: true)
        }
        try #require(try cluster.elect(1) != nil)
        cluster.forgetDelivered()
        try cluster.tick(100, only: [3])
        #expect(cluster.delivered.isEmpty)
        #expect(cluster[3].status(a)?.isLost == true)
        let refused = cluster[3].loop.refusedMessages
        let message = Message(.preVote, from: cluster[1].replica(a), to: cluster[3].replica(a), term: Term(99))
        cluster[3].loop.receive([GroupMessage(group: a, message: message)], from: NodeNumber(1))
        #expect(cluster[3].loop.refusedMessages == refused + 1)
        let token = cluster.token()
        cluster[1].loop.propose(a, [1], token)
        try cluster.settle()
        #expect(cluster[1].environment.answers[token]?.word == "applied")
    }

    @Test func `A replica that sees two leaders in one term stops, and its waiting callers hear that nothing is known`()
        throws
    {
        let cluster = try elected()
        let token = cluster.token()
        cluster.isolated = [NodeNumber(1)]
        cluster[1].loop.propose(a, [1], token)
        try cluster.settle()
        let term = try #require(cluster[1].status(a)?.term)
        let message = Message(.heartbeat, from: cluster[2].replica(a), to: cluster[1].replica(a), term: term)
        cluster[1].loop.receive([GroupMessage(group: a, message: message)], from: NodeNumber(2))
        try cluster.settle()
        #expect(cluster[1].environment.stops.count == 1)
        #expect(cluster[1].environment.answers[token]?.word == "unknown")
        let other = cluster.token()
        cluster.isolated = []
        cluster[1].loop.propose(b, [2], other)
        try cluster.settle()
        #expect(cluster[1].environment.answers[other]?.word == "applied", "the other group goes on")
    }
}
