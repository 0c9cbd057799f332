import Foundation
import GrapeTestKit

/// Clients work on a cluster while one fault after the other happens to it; then everything that they saw is judged.
///
/// Each phase has points of its own: clients work on them, a fault comes and goes, all nodes must be healthy again in
/// time, every node is asked for every point, and one order of each point's operations must explain all answers. In the
/// end every node is asked for the points of all phases once more: none may have changed since its phase was over, and
/// replicas must be equal.
///
/// The faults, their order and length, and what clients do follow from the seed; the moments at which they meet do not.
package struct Campaign: Sendable {
    package struct Options: Sendable {
        package var seed: UInt64 = 1
        /// Phases begin until so many seconds have passed.
        package var seconds = 60.0
        package var phasesMax = Int.max
        package var faults = FaultKind.allCases
        package var clients = 8
        package var cluster = LocalCluster.Options()
        /// Faults last so long, in milliseconds, drawn for each.
        package var faultMilliseconds = 1_500...6_000
        /// Until a client gives up an answer: longer than the server takes where a majority answers (5 s with the
        /// default settings).
        package var clientTimeout = Duration.seconds(10)
        /// How long a node is asked for a point in the end, beyond the first attempts, until it answers.
        package var readPatience = Duration.zero
        /// How long replicas are compared in the end while none differs and some are missing.
        package var checkPatience = Duration.zero
        /// Where histories that were violated are written.
        package var directory: URL?
        /// Told of each phase as it ends.
        package var progress: @Sendable (String) -> Void = { _ in }

        package init() {}
    }

    let options: Options
    let clock = RunClock()

    /// Seconds of work before a fault, and after it is undone.
    /// Finished phases that are read again in the end.
    private static let phasesReadAgainMax = 500

    package init(_ options: Options) {
        self.options = options
    }

    /// - Parameter stop: set to end the run early, with a report on what was done.
    package func run(until interrupted: @Sendable () -> Bool = { false }) async throws -> CampaignReport {
        let cluster = try await LocalCluster(options.cluster)
        let standing = Standing(nodes: cluster.nodes.count)
        try await cluster.start()
        if cluster.nodes.count > 1 { try await cluster.waitUntilWhole(at: 0) }
        standing.set(survivors: Array(cluster.nodes.indices))
        var probe = WriteGapProbe(cluster: cluster)
        try await probe.prepare(at: 0, shards: await cluster.status("/cluster/shards", at: 0)?.shardLeaders.count ?? 0)

        var phase = Phase(cluster: cluster, standing: standing, probe: probe, clock: clock, options: options)
        var random = Xoshiro256(seed: options.seed, stream: 0)
        var report = CampaignReport(options)
        var settled: [SettledPhase] = []
        while report.phases < options.phasesMax, Double(clock.now) / 1e9 < options.seconds, !interrupted() {
            let fault = draw(&random)
            let outcome = try await phase.run(report.phases, fault)
            report.add(outcome, fault)
            settled.append(outcome.settled)
            options.progress(outcome.line(number: report.phases, fault))
            guard outcome.hasRecovered else { break }
        }
        await phase.close()
        if report.unrecovered == 0 {
            report.areReplicasEqual = await areReplicasEqual(at: cluster)
            report.changedAfterwards = await changes(in: settled.suffix(Self.phasesReadAgainMax), at: cluster)
        }
        report.seconds = Double(clock.now) / 1e9
        return report
    }

    private func draw(_ random: inout Xoshiro256) -> Fault {
        let nodes = options.cluster.nodes
        let kinds = options.faults.filter { nodes > 1 || !$0.needsPeers }
        let node = random.below(nodes)
        return Fault(
            kind: kinds[random.below(kinds.count)], node: node,
            other: nodes > 1 ? (node + 1 + random.below(nodes - 1)) % nodes : node,
            cut: random.below(2) == 0 ? .stalls : .resets, resetsInTheEnd: random.below(2) == 0,
            milliseconds: random.within(options.faultMilliseconds))
    }

    private func areReplicasEqual(at cluster: LocalCluster) async -> Bool? {
        var last: ClusterStatus?
        _ = await poll(for: options.checkPatience, every: .milliseconds(500)) {
            last = await cluster.status("/cluster/consistency/check", at: 0)
            return last?.isConsistent == true || last?.differs == true
        }
        return last?.isConsistent
    }

    /// Reads every point of these phases on every node.
    ///
    /// - Returns: what differs from the end of its phase, one line each.
    private func changes(in settled: ArraySlice<SettledPhase>, at cluster: LocalCluster) async -> [String] {
        await withTaskGroup(of: [String].self) { group in
            for node in cluster.nodes.indices {
                group.addTask {
                    var reader = PointReader(cluster: cluster, node: node, patience: options.readPatience)
                    var lines: [String] = []
                    for (id, value) in settled.flatMap(\.values).sorted(by: { $0.key < $1.key }) {
                        let found = await reader.read(id)
                        guard found != .value(value) else { continue }
                        lines.append("\(id) on node \(node + 1): \(found), was \(value.map(String.init) ?? "absent")")
                    }
                    await reader.close()
                    return lines
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
    }
}
