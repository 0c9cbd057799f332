import NIOCore
import Synchronization

/// Counters and latency distributions of the requests that this process answers.
///
/// Thread safety: requests are recorded in one of a few stripes, each under its own mutex; connections are dealt out to
/// stripes, so two threads seldom meet at one. Reading adds the stripes up.
package final class ServerMetrics: Sendable {
    package let traffic = NetworkTraffic()
    private let stripes: [MetricsStripe]
    private let next = Atomic<Int>(0)

    package init(_ options: APIOptions = APIOptions()) {
        stripes = (0..<8).map { _ in MetricsStripe(intervalSeconds: options.metricsIntervalSeconds) }
    }

    /// A recorder for one connection.
    func recorder(countsRequests: Bool) -> RequestRecorder {
        guard countsRequests else { return RequestRecorder(stripe: nil) }
        let place = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return RequestRecorder(stripe: stripes[Int(UInt(bitPattern: place) % UInt(stripes.count))])
    }

    /// Counts searches; a batch counts as many as it has.
    func countSearches(_ count: Int) {
        let place = next.load(ordering: .relaxed)
        stripes[Int(UInt(bitPattern: place) % UInt(stripes.count))].countSearches(count)
    }

    package func totals() -> RequestTotals {
        var totals = RequestTotals()
        let now = NIODeadline.now().uptimeNanoseconds
        for stripe in stripes { stripe.add(to: &totals, now: now) }
        return totals
    }
}

/// Where a connection's requests are counted; a scraper's connections count nowhere.
struct RequestRecorder: Sendable {
    fileprivate let stripe: MetricsStripe?

    func record(_ operation: Operation, over wire: WireProtocol = .rest, status: Int, nanoseconds: UInt64) {
        stripe?.record(operation, over: wire, status: status, nanoseconds: nanoseconds)
    }
}

/// What all stripes have counted.
package struct RequestTotals: Sendable {
    struct Key: Hashable, Sendable {
        let wire: WireProtocol
        let operation: Operation
        let status: Int
    }

    var requests: [Key: LatencyBuckets] = [:]
    var queries: [Operation: LatencyTotal] = [:]
    package internal(set) var searches: UInt64 = 0

    /// Answers of 400 and above.
    package var errors: UInt64 {
        requests.reduce(0) { $1.key.status >= 400 ? $0 + $1.value.count : $0 }
    }

    /// In the order in which they are printed.
    var sortedRequests: [(key: Key, value: LatencyBuckets)] {
        requests.sorted {
            ($0.key.wire.rawValue, $0.key.operation.rawValue, $0.key.status)
                < ($1.key.wire.rawValue, $1.key.operation.rawValue, $1.key.status)
        }
    }
}

private final class MetricsStripe: Sendable {
    private struct State {
        var requests: [RequestTotals.Key: LatencyBuckets] = [:]
        var queries: [LatencyWindow?] = Array(repeating: nil, count: Operation.allCases.count)
        var searches: UInt64 = 0
    }

    private let intervalSeconds: Int
    private let state = Mutex(State())

    init(intervalSeconds: Int) { self.intervalSeconds = intervalSeconds }

    func record(_ operation: Operation, over wire: WireProtocol, status: Int, nanoseconds: UInt64) {
        let now = NIODeadline.now().uptimeNanoseconds
        state.withLock {
            let key = RequestTotals.Key(wire: wire, operation: operation, status: status)
            $0.requests[key, default: LatencyBuckets()].record(nanoseconds)
            guard operation.isQuery, status < 400 else { return }
            if $0.queries[operation.rawValue] == nil {
                $0.queries[operation.rawValue] = LatencyWindow(intervalSeconds: intervalSeconds)
            }
            $0.queries[operation.rawValue]?.record(nanoseconds, now: now)
        }
    }

    func countSearches(_ count: Int) {
        state.withLock { $0.searches += UInt64(count) }
    }

    func add(to totals: inout RequestTotals, now: UInt64) {
        let state = state.withLock { $0 }
        totals.searches += state.searches
        for (key, buckets) in state.requests { totals.requests[key, default: LatencyBuckets()].add(buckets) }
        for operation in Operation.allCases {
            state.queries[operation.rawValue]?.add(to: &totals.queries[operation, default: LatencyTotal()], now: now)
        }
    }
}
