import GrapeEngine
import GrapeModel
import Logging
import Synchronization

/// Checks and repairs as this node was asked for them. A deep check goes on when nobody waits for it any more, and its
/// result is kept for whoever asks by its id.
///
/// Thread safety: `state` is guarded by its mutex.
final class ConsistencyService: Sendable {
    enum DeepCheck: Sendable {
        case running(id: UInt64, pointsRead: UInt64, since: ContinuousClock.Instant)
        case ended(id: UInt64, ConsistencyReport)
    }

    private struct Run {
        let check: ConsistencyCheck
        let began = ContinuousClock.now
        var task: Task<Void, Never>?
        var result: Result<ConsistencyReport, GrapeError>?
    }

    private struct State {
        /// Deep checks, the newest last.
        var runs: [Run] = []
        var figures = ConsistencyFigures()
    }

    let router: Router
    let driver: ClusterDriver
    let logger: Logger
    private let state = Mutex(State())

    /// Results that are kept.
    private static let keptMax = 4
    private static let deepTime = Duration.seconds(6 * 3_600)

    init(router: Router, driver: ClusterDriver, logger: Logger) {
        self.router = router
        self.driver = driver
        self.logger = logger
    }

    var figures: ConsistencyFigures { state.withLock { $0.figures } }

    // MARK: Checks

    /// - Parameter deadline: until when replicas may answer.
    func check(until deadline: ContinuousClock.Instant) async throws(GrapeError) -> ConsistencyReport {
        let report = try await ConsistencyCheck(router: router, layout: try await layout(deadline), isDeep: false)
            .run(until: deadline)
        note(report)
        return report
    }

    /// Begins a deep check, or goes on waiting for the one that runs. -> how far it is at that time, or what it found.
    func deepCheck(waitingUntil time: ContinuousClock.Instant) async throws(GrapeError) -> DeepCheck {
        if let id = state.withLock({ $0.runs.last(where: { $0.result == nil })?.check.id }) {
            return try await deepCheck(id, waitingUntil: time)
        }
        let check = ConsistencyCheck(router: router, layout: try await layout(time), isDeep: true)
        let isFirst = state.withLock { state in
            guard state.runs.allSatisfy({ $0.result != nil }) else { return false }
            if state.runs.count >= Self.keptMax { state.runs.removeFirst() }
            state.runs.append(Run(check: check))
            return true
        }
        guard isFirst else { return try await deepCheck(waitingUntil: time) }
        let task = Task { [weak self] in
            let result: Result<ConsistencyReport, GrapeError>
            do throws(GrapeError) {
                result = .success(try await check.run(until: .now + Self.deepTime))
            } catch {
                result = .failure(error)
            }
            self?.ended(check.id, result)
        }
        state.withLock { state in
            guard let place = state.runs.firstIndex(where: { $0.check.id == check.id }) else { return }
            state.runs[place].task = task
        }
        return try await deepCheck(check.id, waitingUntil: time)
    }

    /// The deep check of this id, which was begun on this node.
    func deepCheck(_ id: UInt64, waitingUntil time: ContinuousClock.Instant) async throws(GrapeError) -> DeepCheck {
        while true {
            guard let run = state.withLock({ $0.runs.first { $0.check.id == id } }) else {
                throw GrapeError(
                    .notFound, "this node knows no deep check of this id: ask the node that began it, or begin another")
            }
            if let result = run.result { return .ended(id: id, try result.get()) }
            guard ContinuousClock.now < time, !Task.isCancelled else {
                return .running(id: id, pointsRead: run.check.pointsRead, since: run.began)
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func ended(_ id: UInt64, _ result: Result<ConsistencyReport, GrapeError>) {
        if case .success(let report) = result { note(report) }
        state.withLock { state in
            guard let place = state.runs.firstIndex(where: { $0.check.id == id }) else { return }
            state.runs[place].result = result
            state.runs[place].task = nil
        }
    }

    /// Ends what runs.
    func close() {
        let tasks = state.withLock { $0.runs.compactMap(\.task) }
        for task in tasks { task.cancel() }
    }

    /// The placement as of now.
    func layout(_ deadline: ContinuousClock.Instant) async throws(GrapeError) -> ClusterLayout {
        try await router.consensus.barrier([.catalog], deadline: deadline)
        return router.engine.catalog.layout
    }

    private func note(_ report: ConsistencyReport) {
        state.withLock { $0.figures.note(report) }
        for shard in report.shards where !shard.isConsistent {
            let minority = shard.minority
            for (place, reason) in minority {
                logger.error(
                    "a replica differs",
                    metadata: ["shard": "\(shard.shard)", "node": "\(place.node)", "reason": "\(reason)"])
            }
        }
    }
}

/// Counts for the metrics page, since the start.
package struct ConsistencyFigures: Sendable {
    package var checks: UInt64 = 0
    package var deepChecks: UInt64 = 0
    /// As of the last check.
    package var shardsInconsistent = 0
    package var replicasMissing = 0
    package var replicasRepaired: UInt64 = 0

    mutating func note(_ report: ConsistencyReport) {
        checks += 1
        if report.isDeep { deepChecks += 1 }
        shardsInconsistent = report.shards.count { $0.isUndecided || !$0.minority.isEmpty }
        replicasMissing = report.shards.reduce(0) { $0 + $1.missing.count }
    }
}

extension ConsistencyService {
    func noteRepaired(_ count: Int) { state.withLock { $0.figures.replicasRepaired += UInt64(count) } }
}
