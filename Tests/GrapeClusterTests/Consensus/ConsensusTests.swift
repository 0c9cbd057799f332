import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Testing

/// Real threads, real databases; only the network is made up.
@Suite(.serialized) struct ConsensusTests {
    private let shard = LogGroup.shard(ShardID(0))
    private let other = LogGroup.shard(ShardID(1))

    private func applied(_ cluster: ConsensusCluster, _ number: Int, _ group: LogGroup) -> UInt64 {
        cluster[number].engine.appliedIndex(of: group).rawValue
    }

    private func leader(_ cluster: ConsensusCluster) async throws -> Int {
        var found: Int?
        _ = await cluster.eventually {
            found = cluster.leader(of: shard)
            return found != nil
        }
        return try #require(found)
    }

    private func allEqual(_ cluster: ConsensusCluster) async -> Bool {
        await cluster.eventually {
            ConsensusCluster.groups.allSatisfy { group in
                Set(cluster.numbers.map { applied(cluster, $0, group) }).count == 1
            }
        }
    }

    @Test func `A lone voter answers at once, shares syncs, and finds everything again`() async throws {
        let cluster = try await ConsensusCluster(nodes: 1)
        #expect(await cluster.write(1, to: shard) != nil)
        let syncs = cluster[1].consensus.fsync.count
        let proposals = (2...400).map {
            Proposal(group: $0 % 2 == 0 ? shard : other, entry: ConsensusCluster.entry($0))
        }
        let consensus = cluster[1].consensus
        // Writers of one each might never meet, where their threads get to run seldom and a sync takes no time.
        await withTaskGroup { group in
            for first in stride(from: 0, to: proposals.count, by: 50) {
                let own = Array(proposals[first..<min(first + 50, proposals.count)])
                group.addTask { _ = await consensus.propose(own, deadline: .now + .seconds(60)) }
            }
        }
        #expect(cluster[1].consensus.fsync.count - syncs < 200, "399 entries at once share syncs")
        let before = applied(cluster, 1, shard) + applied(cluster, 1, other)
        #expect(before >= 400)
        try await consensus.barrier(ConsensusCluster.groups, deadline: .now + .seconds(60))
        try await cluster.stop(1)
        try await cluster.start(1)
        #expect(await cluster.write(1_000, to: shard) != nil)
        #expect(applied(cluster, 1, shard) + applied(cluster, 1, other) > before)
        #expect(cluster.failed.isEmpty)
        try await cluster.stopAll()
    }

    @Test func `Three nodes agree, go on without one, and bring it up to date again`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        for number in 1...20 { #expect(await cluster.write(number, to: number % 2 == 0 ? shard : other) != nil) }
        let leader = try await leader(cluster)
        try await cluster.stop(leader)
        for number in 21...40 { #expect(await cluster.write(number, to: number % 2 == 0 ? shard : other) != nil) }
        try await cluster.start(leader)
        #expect(await allEqual(cluster))
        #expect(applied(cluster, leader, shard) >= 20)
        #expect(cluster.failed.isEmpty)
        try await cluster.stopAll()
    }

    @Test func `A minority takes no write and no strong read, and says so by the deadline`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        #expect(await cluster.write(1, to: shard) != nil)
        let leader = try await leader(cluster)
        cluster.wire.cut(NodeNumber(UInt32(leader)))
        let proposal = Proposal(group: shard, entry: ConsensusCluster.entry(2))
        let result = await cluster[leader].consensus.propose([proposal], deadline: .now + .milliseconds(300))[0]
        #expect(result.word != "applied")
        do {
            try await cluster[leader].consensus.barrier([shard], deadline: .now + .milliseconds(300))
            Issue.record("a leader without followers confirmed a read")
        } catch {
            #expect(error.code == .unavailable)
        }
        cluster.wire.heal(NodeNumber(UInt32(leader)))
        #expect(await cluster.write(3, to: shard) != nil)
        try await cluster[leader].consensus.barrier([shard], deadline: .now + .seconds(60))
        #expect(await allEqual(cluster))
        try await cluster.stopAll()
    }

    @Test func `A strong read at any node sees every write that was answered before`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        #expect(await cluster.write(1, to: shard) != nil)
        for number in 2...30 {
            let leader = try await leader(cluster)
            #expect(await cluster.write(number, to: shard) != nil)
            let written = applied(cluster, leader, shard)
            let reader = number % 3 + 1
            try await cluster[reader].consensus.barrier([shard], deadline: .now + .seconds(60))
            #expect(applied(cluster, reader, shard) >= written)
        }
        try await cluster.stopAll()
    }

    @Test func `A node that stops hands its leaderships on before`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        #expect(await cluster.write(1, to: shard) != nil)
        #expect(await allEqual(cluster))
        let leader = try await leader(cluster)
        let term = try #require(cluster.status(leader, shard)?.term)
        let others = cluster.numbers.filter { $0 != leader }
        // Where this thread stands still another one may have been elected.
        let wasDeposed = others.contains { cluster.status($0, shard).map { $0.term > term } ?? false }
        await cluster[leader].consensus.close()
        let handover = ConsensusCluster.Wire.Handover(group: shard, from: NodeNumber(UInt32(leader)), term: term)
        #expect(cluster.wire.handovers.contains(handover) || wasDeposed, "before any election timeout")
        #expect(
            await cluster.eventually {
                others.contains { cluster.status($0, shard)?.role == .leader }
                    && others.allSatisfy { cluster.status($0, shard).map { $0.term > term } ?? false }
            })
        try await cluster.stopAll()
    }

    @Test func `Writes to all groups go on while nodes restart one after another`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        #expect(await cluster.write(1, to: shard) != nil)
        let groups = [shard, other]
        var longest = Duration.zero
        for round in 0..<3 {
            let victim = round % 3 + 1
            try await cluster.stop(victim)
            for number in 0..<20 {
                let took = await cluster.write(100 * (round + 1) + number, to: groups[number % 2])
                longest = max(longest, try #require(took))
            }
            try await cluster.start(victim)
            #expect(await allEqual(cluster))
        }
        #expect(longest < .seconds(30))
        #expect(cluster.failed.isEmpty)
        try await cluster.stopAll()
    }

    @Test func `A replica that is dropped and made anew does not take answers meant for the old one`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        for number in 1...10 { #expect(await cluster.write(number, to: shard) != nil) }
        let follower = try #require(cluster.numbers.first { $0 != cluster.leader(of: shard) })
        try await cluster[follower].consensus.dropReplica(of: shard)
        #expect(cluster.status(follower, shard) == nil || cluster[follower].consensus.status().count == 2)
        #expect(try cluster[follower].database.get(.state, StateKey.replica(shard)) == nil)
        for number in 11...20 { #expect(await cluster.write(number, to: shard) != nil) }
        #expect(await cluster.write(30, to: other) != nil)
        let anew = ReplicaID(node: NodeNumber(UInt32(follower)), serial: 9)
        try await cluster[follower].consensus.createReplica(anew, of: shard)
        #expect(cluster[follower].engine.holds(ShardID(0)))
        #expect(!cluster[follower].engine.servedShards.contains(ShardID(0)), "it has no rows to answer from")
        try await cluster.stopAll()
    }

    @Test func `A replica whose log is behind what it promised takes no part, and the others go on`() async throws {
        let cluster = try await ConsensusCluster(nodes: 3)
        for number in 1...5 { #expect(await cluster.write(number, to: shard) != nil) }
        #expect(await allEqual(cluster))
        let follower = try #require(cluster.numbers.first { $0 != cluster.leader(of: shard) })
        try await cluster.stop(follower)
        let found = try AcknowledgedFile(directory: cluster.directory(follower)).found
        let promise = try #require(found[shard])
        #expect(promise.last.index.rawValue >= 6, "five writes behind the beginning")
        var more = promise
        more.last.index = promise.last.index.next
        let file = try AcknowledgedFile(directory: cluster.directory(follower))
        try file.write([shard: more])
        try file.sync()
        try await cluster.start(follower)
        #expect(cluster.status(follower, shard)?.isLost == true)
        #expect(cluster.status(follower, other)?.isLost == false)
        for number in 6...10 { #expect(await cluster.write(number, to: shard) != nil) }
        #expect(await cluster.write(1, to: other) != nil)
        #expect(try #require(cluster.status(follower, shard)).lastIndex <= promise.last.index)
        do {
            try await cluster[follower].consensus.barrier([shard], deadline: .now + .seconds(60))
            Issue.record("a lost replica confirmed a read")
        } catch {
            #expect(error.code == .unavailable)
        }
        try await cluster.stopAll()
    }

    @Test(arguments: [true, false]) func `Logs are cut, and what is left is enough for a restart`(syncs: Bool)
        async throws
    {
        let cluster = try await ConsensusCluster(nodes: 1, change: { $0.syncWrites = syncs }) {
            $0.compactionThreshold = 10
            $0.snapshotInterval = 20
        }
        for number in 1...200 { #expect(await cluster.write(number, to: shard) != nil) }
        let isCut = await cluster.eventually {
            guard let status = cluster.status(1, shard) else { return false }
            return status.firstIndex.rawValue + 40 > status.lastIndex.rawValue
        }
        #expect(isCut)
        let before = try #require(cluster.status(1, shard))
        let isDropped = try await cluster.eventually {
            var cursor = try cluster[1].database.cursor(.log, from: [0, 0], to: [0, 1])
            try cursor.seekToFirst()
            return cursor.isValid && cursor.key.uint64BigEndian(at: 2) + 1 >= before.firstIndex.rawValue
        }
        #expect(isDropped)
        try await cluster.stop(1)
        try await cluster.start(1)
        #expect(await cluster.write(300, to: shard) != nil)
        #expect(cluster.status(1, shard)?.isLost == false)
        #expect(cluster.failed.isEmpty)
        try await cluster.stopAll()
    }
}
