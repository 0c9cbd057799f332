import Foundation
import GrapeFaults
import GrapeModel
import Testing

/// Backups of clusters: taken while writes run, restored into other clusters, and a majority that is gone for good.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClusterBackupTests {
    private func tool(_ site: Site, _ arguments: String...) async throws -> (status: Int32, output: String) {
        try await site.run("grape-tool", arguments: arguments)
    }

    private func url(_ cluster: LocalCluster, _ node: Int) -> String {
        "http://127.0.0.1:\(cluster.nodes[node].ports.rest)"
    }

    @Test("what was acknowledged before a snapshot is in it, with writes going on; it restores into three other nodes")
    func whileWritesRun() async throws {
        let (cluster, site) = (try await LocalCluster.running(), try Site())
        try await cluster.write(200)
        let writing = Task { try await cluster.write(300, from: 200, at: 1) }
        let archive = site.root.path + "/backup.tar.gz"
        let made = try await tool(site, "backup", "--endpoint", url(cluster, 2), "--output", archive)
        #expect(made.status == 0, "\(made.output)")
        try await writing.value

        // Any node gives it out, and two have it; where the others stood still none took a copy, and another is made.
        var state: RestAnswer?
        let isKeptTwice = await poll(for: LocalCluster.patience, every: .seconds(1)) {
            state = await cluster.ask(.GET, "/cluster/backup/verify", at: 0)
            let report = (try? JSONDocument(parsing: state?.body ?? []))?.root
            if report?.field("valid")?.bool == true, report?.field("nodes")?.count == 2 { return true }
            _ = await cluster.ask(.POST, "/cluster/snapshot", at: 2)
            return false
        }
        #expect(isKeptTwice, "\(state?.text ?? "")")

        let other = try await LocalCluster.running(settings: ["--sharding.shard-count", "7"])
        let restored = try await tool(site, "restore", "--backup", archive, "--endpoint", url(other, 1))
        #expect(restored.status == 0, "\(restored.output)")
        for node in 0..<3 { #expect(await other.missing(200, at: node) == [:]) }
        let again = try await tool(site, "restore", "--backup", archive, "--endpoint", url(other, 0))
        #expect(again.status == 2, "\(again.output)")
        let replaced = try await tool(
            site, "restore", "--backup", archive, "--endpoint", url(other, 0), "--replace")
        #expect(replaced.status == 0, "\(replaced.output)")
        #expect(await other.missing(200, at: 2) == [:])
    }

    @Test("shards that the node which makes a snapshot doesn't hold come from others")
    func remoteShards() async throws {
        let (cluster, site) = (
            try await LocalCluster.running(settings: ["--sharding.replica-count", "1"]), try Site()
        )
        try await cluster.write(120)
        let archive = site.root.path + "/backup.tar.gz"
        let made = try await tool(site, "backup", "--endpoint", url(cluster, 0), "--output", archive)
        #expect(made.status == 0, "\(made.output)")
        let checked = try await tool(site, "verify", "--backup", archive, "--json")
        #expect(checked.status == 0 && checked.output.contains(#""points":120"#), "\(checked.output)")
    }

    @Test("a restore whose tool is killed shows nothing, and the next one succeeds")
    func killedRestore() async throws {
        let (cluster, site) = (try await LocalCluster.running(), try Site())
        try await cluster.write(100)
        let archive = site.root.path + "/backup.tar.gz"
        let made = try await tool(site, "backup", "--endpoint", url(cluster, 0), "--output", archive)
        #expect(made.status == 0, "\(made.output)")
        let restoring = try ServerProcess(
            "grape-tool", arguments: ["restore", "--backup", archive, "--endpoint", url(cluster, 0), "--replace"],
            at: site)
        try await Task.sleep(for: .milliseconds(60))
        try await restoring.killNow()
        let listed = await cluster.ask(.GET, "/collections", at: 1)
        #expect(listed?.text.matches(of: /"name"/).count == 1, "\(listed?.text ?? "")")
        #expect(await cluster.missing(100, at: 0) == [:])
        let again = try await tool(
            site, "restore", "--backup", archive, "--endpoint", url(cluster, 1), "--replace")
        #expect(again.status == 0, "\(again.output)")
        #expect(await cluster.missing(100, at: 2) == [:])
    }

    @Test("one node of a cluster that lost its majority lives again alone, and takes writes")
    func recovery() async throws {
        let (cluster, site) = (try await LocalCluster.running(), try Site())
        try await cluster.write(150)
        let before = try #require(await cluster.clusterID(at: 0))
        // A majority may be the two others.
        try await cluster.waitUntilHolding(150, at: 1)
        for node in cluster.nodes { try await node.killNow() }
        let data = cluster.nodes[1].data.path
        let refused = try await tool(site, "recover", "--data-dir", data)
        #expect(refused.status == 2 && refused.output.contains("--accept-data-loss"), "\(refused.output)")
        let recovered = try await tool(site, "recover", "--data-dir", data, "--accept-data-loss")
        #expect(recovered.status == 0, "\(recovered.output)")
        try cluster.start(1)
        try await cluster.waitUntilHealthy(1)
        #expect(await cluster.missing(150, at: 1) == [:])
        try await cluster.write(20, from: 150, at: 1)
        let now = await cluster.clusterID(at: 1)
        #expect(now != nil && now != before)
        let members = await cluster.status("/cluster/nodes", at: 1, timeout: LocalCluster.patience)?.members
        #expect(members?.keys.sorted() == ["node-2"])
        // Another of the old cluster doesn't mix with it.
        try cluster.start(0)
        try await Task.sleep(for: .seconds(3))
        let stillMembers = await cluster.status("/cluster/nodes", at: 1, timeout: LocalCluster.patience)?.members
        #expect(stillMembers?.keys.sorted() == ["node-2"])
        #expect(await cluster.missing(170, at: 1) == [:])
    }
}
