import Foundation
import GrapeFaults
import Testing

/// The check of the guide's commands, where it lies beside the repository.
private let guideCheck = URL(filePath: #filePath).appending(path: "../../../../shared/accept/guide.py")
    .standardizedFileURL.path

/// Nodes that come and go while clients write.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClusterMembershipTests {
    @Test("a fourth node joins and takes its share, then another leaves, and nothing is lost")
    func joinAndLeave() async throws {
        let cluster = try await LocalCluster.running(nodes: 4)
        try await cluster.write(50)
        // Any of them may answer for the new one.
        for node in 0..<3 { try await cluster.waitUntilHolding(50, at: node) }
        let writing = Task { try await cluster.write(300, from: 50, at: 1) }
        try cluster.start(3)
        try await cluster.waitUntilHealthy(3)
        #expect(await cluster.missing(50, at: 3, query: "?consistency=eventual") == [:])
        try await cluster.waitUntilMembers(["node-1", "node-2", "node-3", "node-4"], at: 0)
        try await writing.value
        var counts: [String: Int] = [:]
        let hasShare = await poll(for: .seconds(60), every: .milliseconds(200)) {
            let status = await cluster.status("/cluster/shards", at: 0)
            counts = status?.replicas ?? [:]
            return (11...13).contains(counts["node-4"] ?? 0) && status?.isWhole == true
        }
        #expect(hasShare, "\(counts)")
        #expect(await cluster.missing(350, at: 3) == [:])

        try await cluster.leave("node-1", at: 1)
        try await cluster.waitUntilMembers(["node-2", "node-3", "node-4"], at: 1, seconds: 90)
        try await cluster.waitUntilIdle(at: 1)
        try await cluster.waitUntilWhole(at: 1, seconds: 60)
        if cluster.nodes[0].isRunning { try await cluster.nodes[0].stop() }
        for index in 1..<4 { #expect(await cluster.missing(350, at: index) == [:]) }
    }

    @Test("of three nodes one may leave; then shards lack a replica until a node joins again")
    func leaveOfThree() async throws {
        let cluster = try await LocalCluster.running()
        try await cluster.write(30)
        try await cluster.leave("node-3", at: 0)
        try await cluster.waitUntilMembers(["node-1", "node-2"], at: 0, seconds: 60)
        let shards = await cluster.status("/cluster/shards", at: 0, timeout: LocalCluster.patience)
        #expect(shards?.text.contains("under_replicated") == true, "\(shards?.text ?? "no answer")")
        try await cluster.write(10, from: 30, at: 1)
        #expect(await cluster.missing(40, at: 0) == [:])
    }

    @Test("a leave without which the cluster could not go on is a 409 that says why")
    func refusedLeave() async throws {
        let cluster = try await LocalCluster.running()
        try await cluster.nodes[2].killNow()
        let isKnown = await poll(for: .seconds(60), every: .milliseconds(100)) {
            guard let members = await cluster.status("/cluster/nodes", at: 0)?.members else { return false }
            return members["node-3"] != "alive"
        }
        #expect(isKnown)
        var leave: RestAnswer?
        _ = await poll(for: LocalCluster.patience, every: .milliseconds(200)) {
            leave = await cluster.ask(.POST, "/cluster/leave", #"{"node_id": "node-2"}"#, at: 0)
            return leave.map { ![503, 504].contains($0.status) } ?? false
        }
        #expect(leave?.status == 409, "\(leave?.text ?? "no answer")")
        #expect(leave?.text.contains("message") == true)
    }

    @Test("the guide's commands work, in order", .enabled(if: FileManager.default.fileExists(atPath: guideCheck)))
    func guide() async throws {
        let cluster = try await LocalCluster.running(introduction: .seeds)
        let bases = cluster.nodes.map { "http://127.0.0.1:\($0.ports.rest)" }.joined(separator: ",")
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", guideCheck, "--base", bases, "--cluster"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let ended = await poll(for: .seconds(120)) { !process.isRunning }
        if !ended { process.terminate() }
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        // Calls that this release answers with 501 are what may fail.
        let missing = ["/cluster/snapshot", "backup"]
        let failures = text.split(separator: "\n").filter { line in
            line.contains("FAIL") && !missing.contains { line.contains($0) }
        }
        #expect(ended && text.contains("passed,") && failures.isEmpty, "\(text)")
    }
}
