import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Testing

/// Planner, move driver and the rest at work through faults, from one seed each.
@Suite struct ToyClusterTests {
    private func check(_ cluster: ToyCluster, _ seed: UInt64, voters: Int = 3) {
        #expect(cluster.violations.isEmpty, "seed \(seed): \(cluster.violations.prefix(3))")
        #expect(cluster.maxVoters <= voters, "seed \(seed): there were \(cluster.maxVoters) voters")
        #expect(cluster.unrest == nil, "seed \(seed): \(cluster.unrest ?? "")")
    }

    /// Asks until it is allowed: the leader may not have heard of everybody yet.
    private func leave(_ node: NodeNumber, _ cluster: inout ToyCluster) -> Bool {
        for _ in 0..<100 {
            if cluster.leave(node) == nil { return true }
            cluster.tick()
        }
        return false
    }

    @Test(arguments: 1...20)
    func `Three nodes come to lead 6, 5 and 5, and stay so`(seed: UInt64) async {
        var cluster = ToyCluster(nodes: 3, seed: seed)
        #expect(await cluster.settle() != nil)
        for _ in 0..<200 { cluster.tick() }
        #expect(cluster.leaderCounts.sorted() == [5, 5, 6], "seed \(seed)")
        #expect(cluster.maxMoves == 0)
        check(cluster, seed)
    }

    @Test(arguments: 1...20)
    func `A fourth node takes its share, and gives it back when it leaves`(seed: UInt64) async {
        var cluster = ToyCluster(nodes: 3, seed: seed)
        cluster.lossMillionths = 50_000
        for _ in 0..<50 { cluster.tick() }
        guard let joined = cluster.join(4) else { return #expect(Bool(false)) }
        #expect(await cluster.settle() != nil, "seed \(seed): \(cluster.unrest ?? "")")
        #expect(cluster.layout.placements.count { $0.replicas.contains { $0.node == joined } } == 12)
        #expect(cluster.maxMoves <= PlacementPlanner.movesMax)
        check(cluster, seed)
        let isLeaving = leave(joined, &cluster)
        #expect(isLeaving)
        #expect(await cluster.settle() != nil, "seed \(seed): \(cluster.unrest ?? "")")
        #expect(cluster.layout.members.count == 3)
        check(cluster, seed)
    }

    @Test(arguments: 1...20)
    func `One of three leaves without a substitute, and a later one restores three replicas`(seed: UInt64) async {
        var cluster = ToyCluster(nodes: 3, seed: seed)
        for _ in 0..<30 { cluster.tick() }
        let isLeaving = leave(NodeNumber(UInt32(1 + seed % 3)), &cluster)
        #expect(isLeaving)
        #expect(await cluster.settle() != nil, "seed \(seed): \(cluster.unrest ?? "")")
        #expect(cluster.layout.placements.allSatisfy { $0.replicas.count == 2 })
        check(cluster, seed)
        _ = cluster.join(4)
        #expect(await cluster.settle() != nil, "seed \(seed): \(cluster.unrest ?? "")")
        #expect(cluster.layout.placements.allSatisfy { $0.replicas.count == 3 })
        check(cluster, seed)
    }

    @Test(arguments: 1...20)
    func `A burnt node is replaced where there is a spare one, else nothing moves`(seed: UInt64) async {
        var cluster = ToyCluster(nodes: 3 + Int(seed % 2), seed: seed)
        for _ in 0..<30 { cluster.tick() }
        let isDone = cluster.destroy(NodeNumber(2))
        #expect(isDone)
        for _ in 0..<600 { cluster.tick() }
        #expect(cluster.violations.isEmpty)
        let holders = cluster.layout.placements.count { $0.replicas.contains { $0.node == NodeNumber(2) } }
        #expect(holders == (seed % 2 == 0 ? 16 : 0), "seed \(seed)")
        if seed % 2 == 0 { #expect(cluster.maxMoves == 0) } else { check(cluster, seed) }
    }

    @Test(arguments: 1...20)
    func `A node that lost its logs gets new replicas in the place of the old ones`(seed: UInt64) async {
        var cluster = ToyCluster(nodes: 3, seed: seed)
        for _ in 0..<30 { cluster.tick() }
        let before = cluster.layout
        let isDone = cluster.loseLogs(NodeNumber(3))
        #expect(isDone)
        #expect(await cluster.settle() != nil, "seed \(seed): \(cluster.unrest ?? "")")
        check(cluster, seed)
        #expect(cluster.layout.member(NodeNumber(3))?.catalogSerial != before.member(NodeNumber(3))?.catalogSerial)
        for (old, new) in zip(before.placements, cluster.layout.placements) {
            #expect(Set(old.replicas.map(\.node)) == Set(new.replicas.map(\.node)))
            #expect(Set(old.replicas).intersection(new.replicas).count == 2)
        }
    }

    @Test(arguments: 1...150)
    func `Through crashes, losses, joins and leaves every move comes to an end`(seed: UInt64) async {
        var cluster = await Self.troubled(seed)
        #expect(await cluster.settle() != nil, "seed \(seed): \(cluster.unrest ?? ""), gone \(cluster.gone)")
        check(cluster, seed, voters: 4)
    }

    /// A cluster that much has happened to.
    static func troubled(_ seed: UInt64, _ observe: (ToyCluster) -> Void = { _ in }) async -> ToyCluster {
        var random = Xoshiro256(seed: seed, stream: 9)
        var cluster = ToyCluster(
            nodes: random.within(3...6), shards: random.within(1...16), replicas: random.within(1...4), seed: seed)
        cluster.lossMillionths = random.below(2) * 100_000
        var joined = 10
        for tick in 0..<1_500 where cluster.violations.isEmpty {
            if tick % 50 == 0 { await Task.yield() }
            let node = cluster.nodes[random.below(cluster.nodes.count)]
            switch random.below(400) {
            case 0...5: cluster.crash(node)
            case 6...25: cluster.restart(node)
            case 26 where cluster.gone.count < 2: _ = cluster.destroy(node)
            case 27: _ = cluster.loseLogs(node)
            case 28, 29:
                joined += 1
                _ = cluster.join(joined)
            case 30, 31: _ = cluster.leave(node)
            case 32 where random.below(4) == 0: cluster.setReplicaCount(random.within(1...4))
            default: break
            }
            cluster.tick()
            observe(cluster)
        }
        return cluster
    }
}
