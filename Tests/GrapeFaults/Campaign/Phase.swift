import Foundation

/// Runs one phase after the other with the same clients.
struct Phase: Sendable {
    private let cluster: LocalCluster
    private let standing: Standing
    private let injector: FaultInjector
    private let probe: WriteGapProbe
    private let clock: RunClock
    private let directory: URL?
    private let readPatience: Duration
    private var clients: [FaultClient]

    private static let calm = Duration.milliseconds(1_000)
    /// Seconds until every node must be healthy when a fault is undone.
    private static let recoveryMax = 30.0

    init(
        cluster: LocalCluster, standing: Standing, probe: WriteGapProbe, clock: RunClock, options: Campaign.Options
    ) {
        self.cluster = cluster
        self.standing = standing
        self.probe = probe
        self.clock = clock
        directory = options.directory
        readPatience = options.readPatience
        injector = FaultInjector(cluster: cluster, standing: standing)
        let ports = cluster.nodes.map(\.ports.rest)
        clients = (0..<options.clients).map {
            FaultClient(
                number: $0 + 1, seed: options.seed, ports: ports, standing: standing, clock: clock,
                timeout: options.clientTimeout)
        }
    }

    mutating func close() async {
        for number in clients.indices { await clients[number].close() }
    }

    mutating func run(_ number: Int, _ fault: Fault) async throws -> PhaseOutcome {
        let points = PointSet(phase: number)
        let stop = StopSignal()
        let working = clients
        async let worked = Self.work(working, on: points, until: stop)
        var outcome: PhaseOutcome
        do {
            outcome = try await trouble(fault)
        } catch {
            outcome = PhaseOutcome(complaint: "\(error)")
        }
        stop.set()
        var log: ClientLog
        (clients, log) = await worked
        await readAll(points, &log, &outcome)
        outcome.figures = log.figures
        judge(log, &outcome)
        return outcome
    }

    private static func work(
        _ clients: [FaultClient], on points: PointSet, until stop: StopSignal
    ) async -> ([FaultClient], ClientLog) {
        await withTaskGroup(of: (Int, FaultClient, ClientLog).self) { group in
            for (number, client) in clients.enumerated() {
                group.addTask {
                    var client = client
                    let log = await client.work(on: points, until: stop)
                    return (number, client, log)
                }
            }
            var finished = clients
            var all = ClientLog()
            for await (number, client, log) in group {
                finished[number] = client
                all.add(log)
            }
            return (finished, all)
        }
    }

    /// Calm, the fault, its end, and the way back to health.
    private func trouble(_ fault: Fault) async throws -> PhaseOutcome {
        var outcome = PhaseOutcome()
        try await Task.sleep(for: Self.calm)
        let targets = await injector.targets(of: fault)
        let begin = clock.now
        try await injector.inject(fault, into: targets)
        if fault.kind == .killBusiest, !standing.survivors.isEmpty {
            outcome.writeGap = await probe.measure(since: begin, clock: clock, survivors: standing.survivors)
            outcome.isGapMissing = outcome.writeGap == nil
        }
        let left = fault.milliseconds - (clock.now - begin) / 1_000_000
        if left > 0 { try await Task.sleep(for: .milliseconds(left)) }
        let healed = clock.now
        try await injector.heal(fault, at: targets)
        for node in cluster.nodes.indices {
            try await cluster.waitUntilHealthy(node, seconds: Self.recoveryMax)
            try await cluster.waitUntilReading(node, seconds: Self.recoveryMax)
        }
        outcome.recovery = clock.now - healed
        standing.set(survivors: Array(cluster.nodes.indices))
        try await Task.sleep(for: Self.calm)
        return outcome
    }

    /// Asks every node for every point, when nobody writes any more.
    private func readAll(_ points: PointSet, _ log: inout ClientLog, _ outcome: inout PhaseOutcome) async {
        guard outcome.hasRecovered else { return }
        for node in cluster.nodes.indices {
            var reader = PointReader(cluster: cluster, node: node, patience: readPatience)
            for id in points.ids {
                let call = clock.now
                let found = await reader.read(id)
                guard case .value(let value) = found else {
                    outcome.unreadable.append("\(id) on node \(node + 1): \(found)")
                    continue
                }
                log.add(.read(value), of: id, call: call, completion: clock.now)
                outcome.settled.values[id] = .some(value)
            }
            await reader.close()
        }
    }

    private func judge(_ log: ClientLog, _ outcome: inout PhaseOutcome) {
        for (id, history) in log.histories.sorted(by: { $0.key < $1.key }) {
            switch history.verdict() {
            case .linearizable: break
            case .undecided: outcome.undecided += 1
            case .violated:
                outcome.violated.append(id)
                guard let directory else { continue }
                let file = directory.appendingPathComponent("violated-\(id).txt")
                try? history.text.write(to: file, atomically: true, encoding: .utf8)
            }
        }
    }
}
