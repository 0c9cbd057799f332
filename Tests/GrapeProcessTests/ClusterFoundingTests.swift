import Foundation
import GrapeFaults
import Testing

/// How three nodes become one cluster, and who is kept out.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClusterFoundingTests {
    private static let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]

    @Test("the guide's three nodes become one cluster in any start order", arguments: orders)
    func anyOrder(order: [Int]) async throws {
        var options = LocalCluster.Options()
        options.electionTimeoutMilliseconds = LocalCluster.electionTimeoutMilliseconds
        let cluster = try await LocalCluster(options)
        for index in order {
            try cluster.start(index)
            // Long enough for the node to try on its own; if two are there already, they must not go ahead either.
            try await Task.sleep(for: .milliseconds(400))
        }
        try await expectOneCluster(cluster)
    }

    @Test("three nodes that all list each other, started at once, become one cluster")
    func peers() async throws {
        try await expectOneCluster(try await LocalCluster.running(introduction: .peers))
    }

    private func expectOneCluster(_ cluster: LocalCluster) async throws {
        for index in 0..<3 { try await cluster.waitUntilHealthy(index) }
        try await cluster.waitUntilWhole(at: 0)
        var ids: Set<String?> = []
        for index in 0..<3 {
            try await cluster.waitUntilMembers(["node-1", "node-2", "node-3"], at: index)
            ids.insert(await cluster.clusterID(at: index))
        }
        #expect(ids.count == 1 && !ids.contains(nil))
        try await cluster.write(3, at: 2)
        for index in 0..<3 { #expect(await cluster.missing(3, at: index) == [:]) }
    }

    @Test("leaders are spread over the nodes")
    func leaders() async throws {
        let cluster = try await LocalCluster.running()
        var counts: [Int] = []
        let isSpread = await poll(for: .seconds(90), every: .milliseconds(200)) {
            let leaders = await cluster.status("/cluster/shards", at: 1)?.shardLeaders.compactMap { $0 } ?? []
            counts = Dictionary(grouping: leaders) { $0 }.map(\.value.count).sorted()
            return counts == [5, 5, 6]
        }
        #expect(isSpread, "\(counts)")
    }

    @Test("two nodes that were wiped do not found a second cluster", arguments: LocalCluster.Introduction.allCases)
    func wipedMajority(introduction: LocalCluster.Introduction) async throws {
        let cluster = try await LocalCluster.running(introduction: introduction)
        try await cluster.write(5)
        let id = try #require(await cluster.clusterID(at: 2))
        // A majority may be the two others.
        try await cluster.waitUntilHolding(5, at: 2)
        for index in 0..<2 { try await cluster.nodes[index].killNow() }
        for index in 0..<2 { try cluster.nodes[index].wipe() }
        for index in 0..<2 { try cluster.start(index) }
        let serves = await poll(for: .seconds(6), every: .milliseconds(200)) {
            for index in 0..<2 {
                // Long before it would serve.
                if cluster.nodes[index].logText.contains("cluster founded") { return true }
                if await cluster.isHealthy(index) { return true }
                if let other = await cluster.clusterID(at: index, timeout: .seconds(1)), other != id { return true }
            }
            return false
        }
        #expect(!serves, "a wiped node serves: \(cluster.nodes[0].logEnd)\n\(cluster.nodes[1].logEnd)")
        #expect(await cluster.clusterID(at: 2) == id)
        #expect(await cluster.missing(5, at: 2, query: "?consistency=eventual") == [:])
    }

    @Test("a wiped node is refused with the command that replaces it, and comes back by that")
    func wipedNode() async throws {
        let cluster = try await LocalCluster.running()
        try await cluster.write(20)
        try await cluster.nodes[2].killNow()
        try cluster.nodes[2].wipe()
        try cluster.start(2)
        let named = await poll(for: .seconds(60)) { cluster.nodes[2].logText.contains("/cluster/leave") }
        #expect(named, "\(cluster.nodes[2].logEnd)")
        #expect(!(await cluster.isHealthy(2)))
        if cluster.nodes[2].isRunning { try await cluster.nodes[2].killNow() }

        try await cluster.leave("node-3", at: 0)
        try await cluster.waitUntilMembers(["node-1", "node-2"], at: 0, seconds: 60)
        try cluster.start(2)
        try await cluster.waitUntilHealthy(2)
        try await cluster.waitUntilMembers(["node-1", "node-2", "node-3"], at: 0)
        try await cluster.waitUntilWhole(at: 0, seconds: 60)
        #expect(await cluster.missing(20, at: 2) == [:])
    }

    @Test("a node with another token is not admitted, and both sides say why")
    func wrongToken() async throws {
        let cluster = try await LocalCluster.running(nodes: 4)
        try cluster.start(3, extra: ["--cluster.cluster-token", "another"])
        let said = await poll(for: .seconds(60)) { cluster.nodes[3].logText.contains("token") }
        #expect(said, "\(cluster.nodes[3].logEnd)")
        #expect(
            await poll(for: .seconds(60)) { cluster.nodes[0].logText.contains("token") }, "\(cluster.nodes[0].logEnd)")
        #expect(!(await cluster.isHealthy(3)))
        #expect(await cluster.status("/cluster/nodes", at: 0, timeout: LocalCluster.patience)?.members.count == 3)
    }

    @Test("a node with another shard_count ends, and names both numbers")
    func wrongShardCount() async throws {
        let cluster = try await LocalCluster.running(nodes: 4)
        try cluster.start(3, extra: ["--sharding.shard-count", "8"])
        #expect(try await cluster.nodes[3].waitForEnd() != 0)
        let log = cluster.nodes[3].logText
        #expect(log.contains("shard_count") && log.contains("16") && log.contains("8"), "\(cluster.nodes[3].logEnd)")
        #expect(await cluster.status("/cluster/nodes", at: 0, timeout: LocalCluster.patience)?.members.count == 3)
    }

    @Test("two nodes of one name: the second is refused, the first goes on")
    func clashingName() async throws {
        let cluster = try await LocalCluster.running(nodes: 4)
        try cluster.start(3, extra: ["--cluster.node-id", "node-2"])
        let said = await poll(for: .seconds(60)) { cluster.nodes[3].logText.contains("node-2") }
        #expect(said, "\(cluster.nodes[3].logEnd)")
        #expect(!(await cluster.isHealthy(3)))
        try await cluster.waitUntilHealthy(1)
        try await cluster.waitUntilMembers(["node-1", "node-2", "node-3"], at: 0)
    }
}
