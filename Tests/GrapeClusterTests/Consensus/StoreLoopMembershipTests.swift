import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import Testing

/// Members come and go, leaders change, snapshots arrive.
@Suite struct StoreLoopMembershipTests {
    private let a = LoopCluster.a
    private let b = LoopCluster.b

    private func change(_ change: ConfChange, _ cluster: LoopCluster, at node: Int) throws -> String? {
        let token = cluster.token()
        cluster[node].loop.changeConfiguration(a, change, token)
        try cluster.settle()
        try cluster.tick(3)
        return cluster[node].environment.answers[token]?.word
    }

    @Test func `A learner gets a snapshot, follows, becomes a voter in a joint change, and is removed again`() throws {
        let cluster = try LoopCluster(nodes: 4)
        try #require(try cluster.elect(1) != nil)
        for value in 0..<5 { cluster[1].loop.propose(a, [UInt8(value)], cluster.token()) }
        try cluster.settle()
        try cluster[4].create(a, nil)
        let new = cluster[4].replica(a)
        #expect(try change(ConfChange([.init(.addLearner, new)]), cluster, at: 1) == "applied")
        #expect(cluster[1].status(a)?.configuration.learners == [new])
        #expect(try cluster.carrySnapshot(from: 1))
        cluster[1].loop.propose(a, [9], cluster.token())
        try cluster.settle()
        try cluster.tick(5)
        #expect(cluster[4].commands(a) == [[0], [1], [2], [3], [4], [9]])
        #expect(cluster[4].status(a)?.isLearner == true)

        let steps: [ConfChange.Step] = [.init(.addVoter, new), .init(.remove, cluster[3].replica(a))]
        #expect(try change(ConfChange(steps, transition: .jointExplicit), cluster, at: 1) == "applied")
        #expect(cluster[1].status(a)?.configuration.votersOutgoing.isEmpty == false)
        #expect(try change(.leaveJoint, cluster, at: 1) == "applied")
        let voters = [1, 2, 4].map { cluster[$0].replica(a) }
        for node in [1, 2, 4] { #expect(cluster[node].status(a)?.configuration == ConfState(voters: voters)) }
        try cluster[4].restart()
        #expect(cluster[4].status(a)?.configuration == ConfState(voters: voters), "as of what it has applied")
    }

    @Test func `A node that hands over its leaderships is followed at once, without a tick`() throws {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(1) != nil)
        try cluster.tick(3)
        cluster[1].loop.handOverLeadership()
        try cluster.settle()
        #expect(!cluster.leads(1) && (cluster.leads(2) || cluster.leads(3)))
    }

    @Test func `A change that may not follow the one in force changes nothing and is answered`() throws {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(1) != nil)
        let before = cluster[1].status(a)?.configuration
        #expect(try change(.leaveJoint, cluster, at: 1) != nil)
        #expect(cluster[1].status(a)?.configuration == before)
        cluster[1].loop.propose(a, [1], cluster.token())
        try cluster.settle()
        try cluster.tick(3)
        for node in cluster.nodes { #expect(node.commands(a) == [[1]]) }
    }

    @Test func `A change of configuration that was applied is durable behind a sync of its own`() throws {
        let cluster = try LoopCluster(nodes: 4)
        try #require(try cluster.elect(1) != nil)
        cluster[2].holdsApply = true
        #expect(try change(ConfChange([.init(.addLearner, cluster[4].replica(a))]), cluster, at: 1) == "applied")
        #expect(cluster[1].status(a)?.isConfigurationDurable == true)
        #expect(cluster[2].status(a)?.isConfigurationDurable == true, "the one before")
        cluster[2].holdsSyncs = true
        cluster[2].holdsApply = false
        try cluster.settle()
        #expect(cluster[2].status(a)?.applied == cluster[1].status(a)?.applied)
        #expect(cluster[2].status(a)?.isConfigurationDurable == false)
        cluster[2].holdsSyncs = false
        try cluster.settle()
        #expect(cluster[2].status(a)?.isConfigurationDurable == true)
    }

    @Test func `Leadership moves on request`() throws {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(1) != nil)
        try cluster.tick(3)
        cluster[1].loop.transferLeadership(of: a, to: cluster[3].replica(a))
        try cluster.settle()
        try cluster.tick(2)
        #expect(cluster[3].status(a)?.role == .leader)
        #expect(cluster[1].status(a)?.leader == cluster[3].replica(a))
        #expect(cluster[1].status(b)?.role == .leader)
    }

    @Test func `When the connection to a leader closes, the others elect one long before their timeouts`() throws {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(1) != nil)
        try cluster.tick(3)
        cluster.isolated = [NodeNumber(1)]
        for node in [2, 3] { cluster[node].loop.disconnected(NodeNumber(1)) }
        try cluster.tick(8, only: [2, 3])
        for group in [a, b] {
            #expect([2, 3].filter { cluster[$0].status(group)?.role == .leader }.count == 1)
        }
    }

    @Test func `A connection that one follower alone lost costs no election`() throws {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(1) != nil)
        try cluster.tick(3)
        let term = cluster[1].status(a)?.term
        cluster[2].loop.disconnected(NodeNumber(1))
        try cluster.tick(30)
        #expect(cluster[1].status(a)?.term == term)
        #expect(cluster[2].status(a)?.leader == cluster[1].replica(a))
    }

    // MARK: Snapshots

    /// Node 3 is behind what the leader's log still holds.
    private func laggingCluster(holdingApply: Bool) throws -> LoopCluster {
        let cluster = try LoopCluster(keepsLittle: true)
        try #require(try cluster.elect(1) != nil)
        try cluster.tick(3)
        cluster[3].holdsApply = holdingApply
        for value in 0..<5 { cluster[1].loop.propose(a, [UInt8(value)], cluster.token()) }
        try cluster.settle()
        try cluster.tick(4)
        cluster.isolated = [NodeNumber(3)]
        for value in 5..<10 { cluster[1].loop.propose(a, [UInt8(value)], cluster.token()) }
        try cluster.settle()
        try cluster.tick(4, only: [1, 2])
        cluster.isolated = []
        try cluster.tick(6)
        return cluster
    }

    @Test func `A follower behind the log's beginning gets a snapshot and goes on from there, also after a restart`()
        throws
    {
        let cluster = try laggingCluster(holdingApply: false)
        #expect(try cluster.carrySnapshot(from: 1))
        cluster[1].loop.propose(a, [10], cluster.token())
        try cluster.settle()
        try cluster.tick(5)
        #expect(cluster[3].commands(a) == (0...10).map { [UInt8($0)] })
        try cluster[3].restart()
        try cluster.tick(5)
        cluster[1].loop.propose(a, [11], cluster.token())
        try cluster.settle()
        try cluster.tick(5)
        #expect(cluster[3].commands(a) == (0...11).map { [UInt8($0)] })
    }

    @Test func `A snapshot that overtakes work under way comes behind it, and later work is applied`() throws {
        let cluster = try laggingCluster(holdingApply: true)
        #expect(try cluster.carrySnapshot(from: 1))
        #expect(cluster[3].commands(a).isEmpty)
        #expect(cluster[3].status(a)?.isInstalling == true)
        cluster[3].holdsApply = false
        try cluster.settle()
        cluster[3].takeRows(a, from: cluster[1])
        cluster[1].loop.propose(a, [10], cluster.token())
        try cluster.settle()
        try cluster.tick(5)
        #expect(cluster[3].status(a)?.applied == cluster[1].status(a)?.applied)
        #expect(cluster[3].status(a)?.isInstalling == false)
        #expect(cluster[3].commands(a) == (0...10).map { [UInt8($0)] })
    }

    @Test func `Room for work that snapshots overtook is given back`() throws {
        let cluster = try LoopCluster(keepsLittle: true)
        try #require(try cluster.elect(1) != nil)
        let large = [UInt8](repeating: 1, count: 1 << 20)
        for _ in 0..<4 {
            cluster[3].holdsApply = true
            for _ in 0..<3 { cluster[1].loop.propose(a, large, cluster.token()) }
            try cluster.settle()
            try cluster.tick(4)
            cluster.isolated = [NodeNumber(3)]
            cluster[1].loop.propose(a, large, cluster.token())
            try cluster.settle()
            try cluster.tick(4, only: [1, 2])
            cluster.isolated = []
            try cluster.tick(6)
            #expect(try cluster.carrySnapshot(from: 1))
            cluster[3].holdsApply = false
            try cluster.settle()
            try cluster.tick(4)
        }
        cluster[1].loop.propose(a, [10], cluster.token())
        try cluster.settle()
        try cluster.tick(4)
        #expect(cluster[3].status(a)?.applied == cluster[1].status(a)?.applied)
    }

    @Test func `A snapshot older than what the replica has is not taken, and nothing is lost by it`() throws {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(1) != nil)
        cluster[1].loop.propose(a, [1], cluster.token())
        try cluster.settle()
        try cluster.tick(3)
        let old = try #require(cluster[1].states[a])
        cluster[1].loop.propose(a, [2], cluster.token())
        try cluster.settle()
        try cluster.tick(3)
        let term = try #require(cluster[1].status(a)?.term)
        cluster[1].loop.propose(a, [3], cluster.token())
        let isTaken = try cluster[3].loop.install(
            SnapshotImage(group: a, state: old), from: cluster[1].replica(a), term: term)
        #expect(!isTaken)
        try cluster.settle()
        try cluster.tick(3)
        #expect(cluster[3].commands(a) == [[1], [2], [3]])
    }

    @Test func `A snapshot that comes to a full disk is not half taken`() throws {
        let cluster = try laggingCluster(holdingApply: false)
        cluster[3].environment.isFull = true
        // Something of another group waits for the disk.
        cluster[1].loop.propose(b, [1], cluster.token())
        try cluster.settle()
        _ = try cluster.carrySnapshot(from: 1)
        cluster[3].environment.isFull = false
        try cluster.settle()
        try cluster.tick(10)
        if !cluster[1].environment.snapshots.isEmpty { #expect(try cluster.carrySnapshot(from: 1)) }
        cluster[1].loop.propose(a, [10], cluster.token())
        try cluster.settle()
        try cluster.tick(5)
        #expect(cluster[3].commands(a) == (0...10).map { [UInt8($0)] })
        #expect(cluster[3].commands(b) == [[1]])
    }
}
