import Foundation
import GrapeBench
import GrapeModel
import GrapeTestKit
import Testing

/// kill -9 in the middle of a load, again and again on one data directory.
///
/// GRAPE_KILL_ROUNDS sets the number of rounds, GRAPE_KILL_SEED the seed that a run's writes and times follow from (the
/// moment at which a kill meets the server does not).
@Suite(.serialized)
struct KillTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let rounds = environment["GRAPE_KILL_ROUNDS"].flatMap { Int($0) } ?? 6
    private static let seed = environment["GRAPE_KILL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
    /// Seconds until /health says 200 again, with few points and on a machine that may be busy.
    private static let healthyWithin = 60.0
    /// Small buffers and frequent checkpoints, so that kills meet flushes and checkpoints too.
    private static let settings = ["--storage.write-buffer-size-mb", "1", "--index.checkpoint-interval-secs", "1"]

    @Test("after kill -9 every acknowledged point is there, whole, and found", .timeLimit(.minutes(240)))
    func acknowledgedWritesSurvive() async throws {
        print("kill test: GRAPE_KILL_SEED=\(Self.seed) GRAPE_KILL_ROUNDS=\(Self.rounds)")
        let site = try Site()
        var random = Xoshiro256(seed: Self.seed, stream: 0)
        var clients = (1...4).map { PointClient(number: $0, seed: Self.seed) }
        var slowest = Duration.zero
        for round in 1...max(Self.rounds, 1) {
            if random.below(4) == 0 { try await killWhileStarting(site, after: random.within(0...150)) }
            let started = ContinuousClock.now
            let server = try site.start(extra: Self.settings)
            let endpoint = try await server.healthyEndpoint(seconds: Self.healthyWithin)
            slowest = max(slowest, ContinuousClock.now - started)
            do {
                try await check(&clients, at: endpoint, searches: 10)
                let milliseconds = random.within(20...900)
                clients = try await load(clients, server: server, endpoint: endpoint, milliseconds: milliseconds)
            } catch {
                Issue.record("round \(round), seed \(Self.seed): \(error)\n\(server.logEnd)")
                throw error
            }
        }
        let server = try site.start(extra: Self.settings)
        try await check(&clients, at: try await server.healthyEndpoint(seconds: Self.healthyWithin), searches: 50)
        let writes = clients.reduce(0) { $0 + $1.acknowledgedWrites }
        #expect(writes > Self.rounds, "hardly anything was written, so little was tested")
        print("kill test: \(writes) acknowledged requests, slowest start \(slowest)")
        try await server.killNow()
    }

    /// Recovery itself can be cut off, too.
    private func killWhileStarting(_ site: Site, after milliseconds: Int) async throws {
        let server = try site.start(extra: Self.settings)
        try await Task.sleep(for: .milliseconds(milliseconds))
        try await server.killNow()
    }

    /// All clients write; the server is killed after so long.
    private func load(
        _ clients: [PointClient], server: ServerProcess, endpoint: Endpoint, milliseconds: Int
    ) async throws -> [PointClient] {
        try await withThrowingTaskGroup(of: PointClient.self) { group in
            for client in clients {
                group.addTask {
                    var client = client
                    try await client.load(endpoint, until: .now + .seconds(30))
                    return client
                }
            }
            try await Task.sleep(for: .milliseconds(milliseconds))
            try await server.killNow()
            var finished: [PointClient] = []
            for try await client in group { finished.append(client) }
            return finished.sorted { $0.number < $1.number }
        }
    }

    private func check(_ clients: inout [PointClient], at endpoint: Endpoint, searches: Int) async throws {
        let connection = try await connect(endpoint)
        for number in clients.indices { try await clients[number].settle(over: connection) }
        for number in clients.indices { try await clients[number].search(count: searches, over: connection) }
        let present = clients.reduce(0) { $0 + $1.ledger.settled.present.count }
        let stats = try await connection.exchange(HTTPRequest(.GET, "/stats"))
        let points = try JSONDocument(parsing: stats.bytes).root.field("points")?.int64
        guard points == Int64(present) else {
            throw Record.Mismatch("/stats counts \(points.map(String.init) ?? "no") points, there are \(present)")
        }
        await connection.close()
    }
}
