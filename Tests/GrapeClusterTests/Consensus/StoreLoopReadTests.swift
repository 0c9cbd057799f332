import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit
import Testing

/// Strong reads (RAFT.md 10, 11).
@Suite struct StoreLoopReadTests {
    private let a = LoopCluster.a
    private let b = LoopCluster.b

    private func elected(_ leader: Int = 1) throws -> LoopCluster {
        let cluster = try LoopCluster()
        try #require(try cluster.elect(leader) != nil)
        try cluster.tick(3)
        return cluster
    }

    @Test(arguments: [1, 2]) func `Reads that wait at one moment share one round a group, at the leader and elsewhere`(
        node: Int
    ) throws {
        let cluster = try elected()
        cluster.forgetDelivered()
        let tokens = (0..<20).map { _ in cluster.token() }
        for token in tokens { cluster[node].loop.read([a, b], token) }
        try cluster.settle()
        #expect(cluster[node].environment.readable == tokens)
        #expect(
            cluster.deliveredExchanges == 4,
            "a round is a question to each of two others for both groups, and its answer")
        #expect(cluster.delivered.isEmpty)
    }

    @Test func `A round that was sent takes no more readers`() throws {
        let cluster = try elected()
        let (first, second) = (cluster.token(), cluster.token())
        let loop = cluster[1].loop
        loop.read([a], first)
        try loop.turn()
        let early = cluster[1].environment.exchanges
        cluster[1].environment.exchanges = []
        #expect(early.count == 2)
        loop.read([a], second)
        try loop.turn()
        cluster[1].environment.exchanges = []
        // Only the first round's questions arrive.
        for (target, question) in early {
            let node = cluster[Int(target.rawValue)]
            node.loop.receive(question, from: NodeNumber(1))
            for (_, answer) in node.environment.exchanges { loop.receive(answer, from: target) }
            node.environment.exchanges = []
        }
        try loop.turn()
        #expect(cluster[1].environment.readable == [first])
    }

    @Test func `Readers of a group that nobody can speak for hold up no others`() throws {
        let cluster = try elected()
        for node in [2, 3] { cluster[node].loop.remove(b) }
        let (stuck, free, late) = (cluster.token(), cluster.token(), cluster.token())
        cluster[1].loop.read([a, b], stuck)
        try cluster.settle()
        cluster[1].loop.read([a], free)
        try cluster.settle()
        #expect(cluster[1].environment.readable == [free])
        cluster[1].loop.read([a, b], late)
        cluster[1].loop.cancel(late)
        try cluster.tick(20)
        #expect(cluster[1].environment.readable == [free])
    }

    @Test func `A reader of many groups is not put off for ever by readers of some of them`() throws {
        let cluster = try elected()
        let (first, wide, narrow) = (cluster.token(), cluster.token(), cluster.token())
        let (loop, environment) = (cluster[1].loop, cluster[1].environment)
        loop.read([a], first)
        try loop.turn()
        environment.exchanges = []
        loop.read([a, b], wide)
        loop.read([b], narrow)
        try loop.turn()
        #expect(environment.exchanges.count == 2, "a round for b alone, as one for a is out")
        environment.exchanges = []
        try loop.turn()
        #expect(environment.exchanges.count == 2, "both rounds take long, and nobody else was let wait")
        try cluster.settle()
        #expect(Set(environment.readable) == [first, wide, narrow])
    }

    @Test func `A majority counted in an encoded configuration is one of the configuration`() throws {
        var random = Xoshiro256(seed: 7)
        func some() -> [ReplicaID] { (1...6).filter { _ in Bool.random(using: &random) }.map { ReplicaID($0) } }
        func isMajority(_ agreeing: Set<ReplicaID>, of voters: [ReplicaID]) -> Bool {
            voters.count(where: agreeing.contains) * 2 > voters.count
        }
        for _ in 0..<2_000 {
            let configuration = ConfState(voters: some(), votersOutgoing: some(), learners: some())
            let agreeing = Set(some())
            let expected =
                isMajority(agreeing, of: configuration.voters)
                && (configuration.votersOutgoing.isEmpty || isMajority(agreeing, of: configuration.votersOutgoing))
            let encoded = EncodedConfState(configuration)
            #expect(encoded.hasMajority(where: agreeing.contains) == expected, "\(configuration), \(agreeing)")
            let cut = EncodedConfState(bytes: Array(encoded.bytes.prefix(.random(in: 0..<4, using: &random))))
            #expect(!cut.hasMajority { _ in true })
        }
    }

    @Test func `A read waits until this node has applied what was committed before it`() throws {
        let cluster = try elected()
        cluster[2].holdsApply = true
        cluster[1].loop.propose(a, [1], cluster.token())
        try cluster.settle()
        try cluster.tick(2)
        let token = cluster.token()
        cluster[2].loop.read([a], token)
        try cluster.settle()
        #expect(cluster[2].environment.readable.isEmpty)
        cluster[2].holdsApply = false
        try cluster.settle()
        #expect(cluster[2].environment.readable == [token])
        #expect(cluster[2].commands(a) == [[1]])
    }

    @Test func `A leader that was cut off answers no read`() throws {
        let cluster = try elected()
        cluster.isolated = [NodeNumber(1)]
        let token = cluster.token()
        cluster[1].loop.read([a], token)
        try cluster.tick(40, only: [1, 3])
        try #require(try cluster.elect(2) != nil)
        #expect(cluster[1].environment.readable.isEmpty)
        cluster.isolated = []
        try cluster.tick(8)
        #expect(cluster[1].environment.readable == [token], "it asked the new leader")
    }

    /// What the next leader has committed is unknown to both.
    @Test func `A leader that was replaced is not confirmed by a follower of the next one`() throws {
        let cluster = try elected()
        let (old, follower) = (cluster[1], cluster[3])
        cluster.isolated = [old.number]
        try cluster.tick(40, only: [3])
        try #require(try cluster.elect(2) != nil)
        try #require(cluster.leads(1), "it has not heard of that")
        old.loop.read([a], cluster.token())
        try old.loop.turn()
        for (target, question) in old.environment.exchanges where target == follower.number {
            follower.loop.receive(question, from: old.number)
        }
        try #require(follower.environment.exchanges.count == 1)
        for (_, answer) in follower.environment.exchanges { old.loop.receive(answer, from: follower.number) }
        try old.loop.turn()
        #expect(old.environment.readable.isEmpty)
    }

    @Test func `Readers without a leader wait for the next one; who gave up is not answered`() throws {
        let cluster = try elected()
        cluster.isolated = [NodeNumber(1)]
        let (patient, gone) = (cluster.token(), cluster.token())
        cluster[3].loop.read([a, b], patient)
        cluster[3].loop.read([a], gone)
        try cluster.tick(5)
        #expect(cluster[3].environment.readable.isEmpty)
        cluster[3].loop.cancel(gone)
        try cluster.tick(40, only: [3])
        try #require(try cluster.elect(2) != nil)
        try cluster.tick(8)
        #expect(cluster[3].environment.readable == [patient])
    }

    @Test func `A round that takes longer than a heartbeat still ends`() throws {
        let cluster = try elected()
        let token = cluster.token()
        let loop = cluster[1].loop
        loop.read([a], token)
        var late:
            [(messages: [(to: NodeNumber, message: GroupMessage)], reads: [(to: NodeNumber, exchange: ReadExchange)])] =
                []
        // Everything arrives after five ticks, more than two heartbeats.
        for _ in 0..<30 {
            try loop.tick()
            try loop.turn()
            late.append((cluster[1].environment.outbox, cluster[1].environment.exchanges))
            cluster[1].environment.outbox = []
            cluster[1].environment.exchanges = []
            guard late.count > 5 else { continue }
            let arrived = late.removeFirst()
            for (target, question) in arrived.reads {
                let node = cluster[Int(target.rawValue)]
                node.loop.receive(question, from: NodeNumber(1))
                for (_, answer) in node.environment.exchanges { loop.receive(answer, from: target) }
                node.environment.exchanges = []
            }
            for (target, message) in arrived.messages {
                let node = cluster[Int(target.rawValue)]
                node.loop.receive([message], from: NodeNumber(1))
                _ = try node.work()
                for (_, answer) in node.environment.outbox { loop.receive([answer], from: target) }
                node.environment.outbox = []
            }
            try loop.turn()
        }
        #expect(cluster[1].environment.readable == [token])
    }

    @Test func `A read of a group that has no replica here, or loses it, is refused`() throws {
        let cluster = try elected()
        let (missing, dropped) = (cluster.token(), cluster.token())
        cluster[3].loop.read([a, .shard(ShardID(9))], missing)
        #expect(cluster[3].environment.unreadable == [missing])
        cluster.isolated = [NodeNumber(3)]
        cluster[3].loop.read([a, b], dropped)
        try cluster.settle()
        cluster[3].loop.remove(b)
        try cluster.settle()
        #expect(cluster[3].environment.unreadable == [missing, dropped])
        cluster.isolated = []
        try cluster.tick(6)
        #expect(cluster[3].environment.readable.isEmpty)
    }

    @Test func `How far behind a cut-off follower is shows from the moment it hears nothing`() throws {
        let cluster = try elected()
        try cluster.tick(10)
        #expect(try #require(cluster[3].status(a)).stalenessMilliseconds <= 4)
        #expect(cluster[1].status(a)?.stalenessMilliseconds == 0)
        cluster.isolated = [NodeNumber(3)]
        try cluster.tick(9)
        #expect(try #require(cluster[3].status(a)).stalenessMilliseconds >= 7)
    }
}
