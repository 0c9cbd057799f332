import GrapeModel
import GrapeTestKit
import Testing

import GrapeCluster

/// Whole bootstraps in random orders (RAFT.md 17).
@Suite struct BootstrapWorldTests {
    private static let three = ["a", "b", "c"]

    private static func world(_ seed: UInt64, byPeers: Bool) -> BootstrapWorld {
        var world = BootstrapWorld(seed: seed)
        world.add("a", peers: three)
        for nodeID in ["b", "c"] {
            if byPeers { world.add(nodeID, peers: three) } else { world.add(nodeID, seeds: ["a"]) }
        }
        return world
    }

    /// -> whether all hosts came to be members.
    private static func settle(_ world: inout BootstrapWorld) -> Bool {
        world.lossMillionths = 0
        for _ in 0..<20_000 {
            if world.hosts.indices.allSatisfy({ world.hosts[$0].record.number != nil }) { return true }
            for place in world.hosts.indices { world.start(place) }
            world.step()
        }
        return false
    }

    @Test(arguments: 1...300)
    func `In any start order, with crashes and lost messages, three nodes are one cluster`(seed: UInt64) {
        var random = Xoshiro256(seed: seed, stream: 1)
        var world = Self.world(seed, byPeers: seed % 2 == 0)
        world.lossMillionths = 200_000
        for _ in 0..<random.within(0...600) {
            switch random.below(30) {
            case 0: world.start(random.below(3))
            case 1 where seed % 3 > 0: world.crash(random.below(3))
            default: world.step()
            }
            #expect(world.layouts.count <= 1, "seed \(seed)")
        }
        let isSettled = Self.settle(&world)
        #expect(isSettled, "seed \(seed): \(world.hosts)")
        #expect(world.layouts.count == 1)
        #expect(world.ableClusters.count == 1)
        #expect(Set(world.hosts.map(\.record.number)).count == 3)
        #expect(world.hosts.allSatisfy { $0.record.founded != nil || seed % 2 == 1 })
    }

    @Test(arguments: 1...600)
    func `However many directories are emptied, there are never two clusters that can decide`(seed: UInt64) {
        var random = Xoshiro256(seed: seed, stream: 2)
        var world = Self.world(seed, byPeers: seed % 2 == 0)
        world.lossMillionths = 100_000
        var first: PointID?
        for _ in 0..<3_000 {
            switch random.below(100) {
            case 0...3: world.start(random.below(3))
            case 4: world.crash(random.below(3))
            case 5 where random.below(4) == 0: world.wipe(random.below(3))
            default: world.step()
            }
            let able = world.ableClusters
            #expect(able.count <= 1, "seed \(seed)")
            // Once it could decide, another comes only where a majority of its directories is gone.
            if let old = first, let new = able.first, old != new { #expect(!world.hasMajority(old, ofRunning: false)) }
            first = able.first ?? first
        }
    }

    @Test(arguments: 1...100)
    func `Two emptied nodes of three found nothing, whether the third runs or not`(seed: UInt64) {
        var random = Xoshiro256(seed: seed, stream: 3)
        var world = Self.world(seed, byPeers: true)
        #expect(Self.settle(&world))
        let cluster = world.cluster(of: 0)
        let survivor = random.below(3)
        for place in 0..<3 where place != survivor { world.wipe(place) }
        world.crash(survivor)
        for step in 0..<3_000 {
            if step > 1_500 { world.start(survivor) }
            for place in 0..<3 where place != survivor { world.start(place) }
            world.step()
        }
        #expect(world.layouts.count == 1)
        #expect(world.hosts.indices.filter { world.cluster(of: $0) != nil } == [survivor])
        #expect(world.cluster(of: survivor) == cluster)
    }

    @Test(arguments: 1...100)
    func `One emptied node of three is refused under its old name`(seed: UInt64) {
        var world = Self.world(seed, byPeers: seed % 2 == 0)
        #expect(Self.settle(&world))
        for place in 0..<3 { world.start(place) }
        let emptied = Int(seed % 3)
        world.wipe(emptied)
        world.start(emptied)
        for _ in 0..<3_000 where world.hosts[emptied].isUp { world.step() }
        #expect(world.hosts[emptied].record.number == nil)
        if emptied == 0 || seed % 2 == 0 { #expect(world.hosts[emptied].failure == "another directory") }
        #expect(world.layouts.count == 1)
    }

    @Test(arguments: 1...100)
    func `A founder whose directory is lost while it founds does not take the others with it`(seed: UInt64) {
        var random = Xoshiro256(seed: seed, stream: 4)
        var world = Self.world(seed, byPeers: true)
        for place in 0..<3 { world.start(place) }
        var steps = 0
        while world.hosts.indices.allSatisfy({ world.hosts[$0].record.number == nil }), steps < 20_000 {
            world.step()
            steps += 1
        }
        for _ in 0..<random.below(10) { world.step() }
        let taken = (1...2).filter { world.hosts[$0].record.number != nil }
        world.wipe(0)
        for _ in 0..<6_000 {
            for place in 0..<3 where world.hosts[place].failure == nil { world.start(place) }
            world.step()
        }
        #expect(world.layouts.count == 1, "seed \(seed)")
        #expect(world.ableClusters.count == 1, "seed \(seed): \(taken)")
        #expect((1...2).allSatisfy { world.hosts[$0].record.number != nil }, "seed \(seed)")
        #expect(world.hosts[0].failure == "another directory")
    }

    @Test(arguments: 1...60)
    func `A fourth node joins through any of the three, once`(seed: UInt64) {
        var world = Self.world(seed, byPeers: true)
        #expect(Self.settle(&world))
        world.add("d", seeds: [Self.three[Int(seed % 3)], "nobody"])
        world.lossMillionths = 300_000
        for _ in 0..<500 {
            for place in 0..<4 { world.start(place) }
            world.step()
        }
        #expect(Self.settle(&world))
        #expect(world.hosts[3].record.number == NodeNumber(4))
        #expect(world.hosts[3].record.founded == nil)
        #expect(world.layouts.count == 1)
    }
}
