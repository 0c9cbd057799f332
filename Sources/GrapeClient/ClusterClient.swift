import AsyncHTTPClient
import GrapeModel
import NIOCore
import Synchronization

/// A client of a cluster, or of one node, over its REST ports.
///
/// ```swift
/// let client = try ClusterClient(endpoints: ["http://node-1:6333", "http://node-2:6333", "http://node-3:6333"])
/// try await client.upsertPoint(.init(id: "doc-1", vector: [0.1, 0.2, 0.3], payload: ["title": "First"]))
/// for match in try await client.search([0.1, 0.2, 0.3], limit: 5) { print(match.id, match.score) }
/// await client.close()
/// ```
///
/// Any node takes any call. The client asks each node for its health while it is used, gives calls to the healthy nodes
/// that are least busy, and repeats a call that failed on another node until its deadline. Reads are always repeated.
/// Writes of points carry an idempotency key of the client's own, so that a repeated write is applied once. All calls
/// may be made from any task at the same time.
///
/// Thread safety: `endpoints` is guarded by the mutex in `EndpointBoard`; everything else is immutable.
public final class ClusterClient: Sendable {
    let options: Options
    let board: EndpointBoard
    private let http: HTTPClient
    private let isClosed = Atomic<Bool>(false)

    /// - Parameters:
    ///   - endpoints: URLs of REST ports, `http://host:6333` or `https://…`; at least one.
    ///   - options: Deadlines and keys.
    /// - Throws: `GrapeError` with `invalidRequest` where an endpoint is no such URL.
    public init(endpoints: [String], options: Options = Options()) throws(GrapeError) {
        var parsed: [Endpoint] = []
        for endpoint in endpoints { parsed.append(try Endpoint(endpoint)) }
        guard !parsed.isEmpty else { throw GrapeError(.invalidRequest, "endpoints: is empty") }
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: TimeAmount(options.connectTimeout)))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = options.connectionsPerEndpoint
        // Another node is tried instead.
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        board = EndpointBoard(parsed)
        self.options = options
    }

    deinit {
        if !isClosed.load(ordering: .relaxed) { http.shutdown { _ in } }
    }

    /// Ends connections. Calls after it throw `unavailable`.
    public func close() async {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        try? await http.shutdown()
    }

    /// Makes a call on one node after another, until it is answered or its deadline is over.
    func perform(_ call: Call) async throws(GrapeError) -> Answer {
        let deadline = ContinuousClock.now + options.timeout
        var plan = RetryPlan(call.safety, endpoints: board.count)
        var used: Set<Int> = []
        watchHealth()
        while true {
            let endpoint = board.begin(avoiding: used)
            used.insert(endpoint.index)
            if used.count == board.count { used = [endpoint.index] }
            let end = min(deadline, ContinuousClock.now + options.attemptTimeout)
            let outcome = await exchange(call, with: endpoint.endpoint, until: end)
            board.end(endpoint.index, isReachable: outcome.isReachable)
            switch plan.next(after: outcome) {
            case .answer(let answer): return answer
            case .fail(let error): throw error
            case .again(let wait):
                let next = ContinuousClock.now + wait
                guard next < deadline, !isClosed.load(ordering: .relaxed), await sleep(until: next) else {
                    throw plan.timedOut
                }
            }
        }
    }

    private func sleep(until time: ContinuousClock.Instant) async -> Bool {
        do {
            try await Task.sleep(until: time, clock: .continuous)
            return true
        } catch {
            return false
        }
    }

    /// One request to one node, to its end or to `deadline`.
    private func exchange(
        _ call: Call, with endpoint: Endpoint, until deadline: ContinuousClock.Instant
    ) async -> AttemptOutcome {
        await withTaskGroup(of: AttemptOutcome?.self) { [http, options] group in
            group.addTask { await call.send(to: endpoint, over: http, options) }
            group.addTask {
                try? await Task.sleep(until: deadline, clock: .continuous)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? .lost("\(endpoint.url) did not answer in time")
        }
    }
}

// MARK: - Health

extension ClusterClient {
    /// Health is asked for as long as calls are made. One node alone has no rival, so it isn't asked.
    private func watchHealth() {
        guard board.count > 1, board.startWatching() else { return }
        Task { [weak self, options] in
            while await self?.askHealth() == true { try? await Task.sleep(for: options.healthInterval) }
        }
    }

    /// Asks every node. -> whether to go on asking.
    private func askHealth() async -> Bool {
        await withDiscardingTaskGroup { group in
            for (index, endpoint) in board.endpoints.enumerated() {
                group.addTask { [self] in
                    let end = ContinuousClock.now + options.healthTimeout
                    let outcome = await exchange(.health, with: endpoint, until: end)
                    board.tell(index, isHealthy: outcome.isSuccess)
                }
            }
        }
        return board.goesOnWatching() && !isClosed.load(ordering: .relaxed)
    }
}
