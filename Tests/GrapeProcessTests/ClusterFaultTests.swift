import Foundation
import GrapeFaults
import Testing

/// Three real nodes through kills, pauses and partitions: the short form of `make faults`.
///
/// GRAPE_FAULTS_SEED sets the seed that faults and clients follow from.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClusterFaultTests {
    private static let seed =
        ProcessInfo.processInfo.environment["GRAPE_FAULTS_SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999)

    @Test(
        "no acknowledged write is lost, no search fails, and one order explains all answers",
        arguments: [
            [FaultKind.killBusiest], [.pause, .restart], [.isolateBusiest, .isolateCatalogLeader],
            [.mute, .deafen, .oneWayLink], [.killAll],
        ])
    func campaign(faults: [FaultKind]) async throws {
        var options = Campaign.Options()
        options.seed = Self.seed
        options.faults = faults
        options.phasesMax = 1
        // Other tests share the cores, where a node may stand still for seconds, and would count as gone. The long form keeps the
        // timeout that operators start from. A gap is measured to its end, other faults must outlast an election.
        options.cluster.electionTimeoutMilliseconds = LocalCluster.electionTimeoutMilliseconds
        options.faultMilliseconds = faults == [.killBusiest] ? 2_500...3_500 : 7_000...9_000
        options.clientTimeout = .seconds(30)
        options.readPatience = .seconds(30)
        options.checkPatience = .seconds(60)
        let report = try await Campaign(options).run()
        #expect(report.isClean, "GRAPE_FAULTS_SEED=\(Self.seed)\n\(report.table)")
        #expect(report.figures.total > 100, "hardly anything was done, so little was tested")
    }

    @Test("a node cut off from the others refuses strong calls, serves eventual ones, and lives")
    func minority() async throws {
        let cluster = try await LocalCluster.running(settings: ["--server.request-timeout-secs", "10"])
        try await cluster.write(5)
        try await cluster.waitUntilHolding(5, at: 2)
        await cluster.proxy.isolate(2, .stalls)

        let noticed = await poll(for: .seconds(60)) { await cluster.ask(.GET, "/health", at: 2)?.status == 503 }
        #expect(noticed)
        #expect(await cluster.ask(.GET, "/livez", at: 2)?.status == 200)
        async let get = cluster.ask(.GET, "/vectors/1", at: 2)
        async let search = cluster.ask(.POST, "/vectors/search", Self.search(), at: 2)
        async let write = cluster.ask(.POST, "/vectors", LocalCluster.point(9), at: 2)
        for (name, answer) in [("get", await get), ("search", await search), ("write", await write)] {
            #expect(answer?.status == 503, "\(name): \(answer?.text ?? "no answer")")
        }
        for (status, answer) in [
            (200, await cluster.ask(.GET, "/vectors/1?consistency=eventual", at: 2)),
            (404, await cluster.ask(.GET, "/vectors/99?consistency=eventual", at: 2)),
            (200, await cluster.ask(.POST, "/vectors/search", Self.search(#", "consistency": "eventual""#), at: 2)),
        ] {
            #expect(answer?.status == status, "\(answer?.text ?? "no answer")")
            let staleness = answer?.headers.first(name: "Grape-Staleness-Ms").flatMap { Int($0) }
            #expect(
                staleness.map { $0 > 0 } ?? false, "Grape-Staleness-Ms of a node that hears nobody: \(staleness ?? -1)")
        }

        try await cluster.write(5, from: 5, at: 0)
        await cluster.proxy.heal()
        try await cluster.waitUntilHealthy(2)
        try await cluster.waitUntilReading(2, seconds: 60)
        #expect(await cluster.missing(10, at: 2) == [:])
        #expect(await cluster.ask(.GET, "/vectors/9", at: 2)?.status == 200)
    }

    private static func search(_ more: String = "") -> String { #"{"vector": [1, 2, 3], "limit": 3\#(more)}"# }

    @Test("a cluster of which all nodes were stopped or killed comes back with everything")
    func restartOfAll() async throws {
        let cluster = try await LocalCluster.running()
        try await cluster.write(30)
        for node in cluster.nodes { node.send(SIGTERM) }
        for node in cluster.nodes { #expect(try await node.waitForEnd() == 0, "\(node.logEnd)") }
        // One alone is no majority, from its first answer on.
        try cluster.start(2)
        var wasHealthy = false
        let isOpen = await poll(for: .seconds(60), every: .milliseconds(2)) {
            let answer = await cluster.ask(.GET, "/health", at: 2)
            wasHealthy = wasHealthy || answer?.status == 200
            return answer?.text.contains("only 1 of 3 members") ?? false
        }
        #expect(isOpen && !wasHealthy)
        for index in [0, 1] { try cluster.start(index) }
        for index in 0..<3 { try await cluster.waitUntilHealthy(index) }
        for index in 0..<3 { #expect(await cluster.missing(30, at: index) == [:]) }
        try await cluster.write(10, from: 30, at: 1)
        for node in cluster.nodes { try await node.killNow() }
        for index in [1, 2, 0] { try cluster.start(index) }
        for index in 0..<3 { try await cluster.waitUntilHealthy(index) }
        for index in 0..<3 { #expect(await cluster.missing(40, at: index) == [:]) }
    }

    @Test("a node that missed more than the log keeps comes back by a snapshot")
    func snapshot() async throws {
        let cluster = try await LocalCluster.running(
            settings: ["--raft.log-compaction-threshold", "20", "--raft.snapshot-interval", "5"])
        try await cluster.write(50)
        try await cluster.nodes[2].killNow()
        try await cluster.write(1_500, from: 50, at: 0)
        try cluster.start(2)
        try await cluster.waitUntilHealthy(2)
        try await cluster.waitUntilWhole(at: 0)
        #expect(await cluster.missing(1_550, at: 2) == [:])
        // It holds them itself: the others may be gone.
        for index in 0..<2 { try await cluster.nodes[index].killNow() }
        try await cluster.waitUntilHolding(1_550, at: 2)
    }
}
