import GrapeEngine
import GrapeModel
import GrapeRaft
import Testing

import GrapeCluster

@Suite struct InitialLayoutTests {
    private static func layout(_ count: Int, shards: Int = 16, replicas: Int = 3) -> ClusterLayout {
        let founders = (1...count).map { number in
            let address = BootstrapWorld.address("n\(number)")
            return Greeting(
                nodeID: "n\(number)", bootID: UInt64(number), initialPeers: [], shardCount: shards,
                addresses: MemberAddresses(grpc: address, rest: address, raft: address), version: "1")
        }
        return InitialLayout.make(founders: founders, shardCount: shards, replicaCount: replicas)
    }

    @Test func `Three nodes hold every shard and lead 6, 5 and 5 of sixteen`() {
        let layout = Self.layout(3)
        let leaders = (1...3).map { number in
            layout.placements.count { $0.replicas.first?.node == NodeNumber(UInt32(number)) }
        }
        #expect(leaders == [6, 5, 5])
        #expect(layout.placements.allSatisfy { Set($0.replicas.map(\.node)).count == 3 })
    }

    @Test(arguments: 1...9, 1...5)
    func `Replicas and first leaders are spread evenly over any number of nodes`(nodes: Int, replicas: Int) {
        let layout = Self.layout(nodes, replicas: replicas)
        let each = min(nodes, replicas)
        var held: [Int] = []
        var led: [Int] = []
        for member in layout.members {
            held.append(layout.placements.count { $0.replicas.contains { $0.node == member.number } })
            led.append(layout.placements.count { $0.replicas.first?.node == member.number })
        }
        #expect(held.reduce(0, +) == 16 * each)
        #expect((held.max() ?? 0) - (held.min() ?? 0) <= each)
        #expect((held.max() ?? 0) <= (16 * each + nodes - 1) / nodes)
        #expect((led.max() ?? 0) <= (16 + nodes - 1) / nodes)
        let serials = layout.members.map(\.catalogSerial) + layout.placements.flatMap { $0.replicas.map(\.serial) }
        #expect(Set(serials).count == serials.count)
        #expect(serials.allSatisfy { $0 < layout.nextSerial })
    }

    @Test(arguments: 1...9)
    func `Founders agree on the configurations, with an odd number of catalog voters beyond two`(nodes: Int) {
        let layout = Self.layout(nodes)
        var configurations: [LogGroup: Set<ConfState>] = [:]
        var holders: [LogGroup: Int] = [:]
        for member in layout.members {
            for founding in InitialLayout.replicas(of: member.number, in: layout) {
                #expect(founding.replica.node == member.number)
                #expect(founding.configuration.voters.contains(founding.replica))
                configurations[founding.group, default: []].insert(founding.configuration)
                holders[founding.group, default: 0] += 1
            }
        }
        #expect(configurations.count == 17)
        #expect(configurations.values.allSatisfy { $0.count == 1 })
        #expect(configurations.allSatisfy { $0.value.first?.voters.count == holders[$0.key] })
        #expect(holders[.catalog] == [1, 2, 3, 3, 5, 5, 5, 5, 5][nodes - 1])
    }
}
