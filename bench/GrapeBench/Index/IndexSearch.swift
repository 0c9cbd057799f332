import Dispatch
import Foundation
import GrapeIndex
import Synchronization

/// Searches an index on several threads at once.
struct IndexSearch {
    let index: CollectionIndex
    let queries: VectorBlock
    let truth: Truth
    let threads: Int
    /// How often each query is asked; nil: for a second.
    var passes: Int?
    var filter: IndexFilter?

    /// Every query is asked at least once; small sets are repeated for so long, as a short run says little.
    private static let secondsMin = 1.0

    private struct Share: Sendable {
        var latencies = LatencyHistogram()
        var cpuNanoseconds: UInt64 = 0
    }

    func run(ef: Int) -> SearchFigures {
        let recall = recall(ef: ef)
        let total = Mutex(Share())
        let finished = DispatchGroup()
        let started = ContinuousClock.now
        for number in 0..<threads {
            finished.enter()
            let thread = Thread {
                let share = searchRepeatedly(ef: ef, from: number)
                total.withLock {
                    $0.latencies.add(share.latencies)
                    $0.cpuNanoseconds += share.cpuNanoseconds
                }
                finished.leave()
            }
            thread.start()
        }
        finished.wait()
        let seconds = (ContinuousClock.now - started).seconds
        let sum = total.withLock { $0 }
        let count = Double(sum.latencies.count)
        return SearchFigures(
            ef: ef, recall: recall, queriesPerSecond: count / seconds,
            cpuMicrosecondsPerQuery: Double(sum.cpuNanoseconds) / 1_000 / count, latency: sum.latencies.quantiles)
    }

    private func hits(_ query: Span<Float>, ef: Int, pin: VisibilityPin) -> [Hit] {
        guard let filter else { return index.search(query, limit: Truth.depth, ef: ef, pin: pin) }
        return filter.search(query, limit: Truth.depth, ef: ef, pin: pin)
    }

    /// Also warms the caches up.
    private func recall(ef: Int) -> Double {
        let values = queries.values.span
        var sum = 0.0
        for query in 0..<queries.rows {
            let vector = values.extracting(query * queries.columns..<(query + 1) * queries.columns)
            let pin = index.clock.pin()
            let hits = hits(vector, ef: ef, pin: pin)
            sum += (filter?.truth ?? truth).recall(of: hits.map { RowKey.row(index.key(of: $0.ordinal)) }, query: query)
            withExtendedLifetime(pin) {}
        }
        return sum / Double(queries.rows)
    }

    /// Threads start at different queries, so that they don't walk the same paths at the same time.
    private func searchRepeatedly(ef: Int, from number: Int) -> Share {
        var share = Share()
        let values = queries.values.span
        let deadline = ContinuousClock.now + .seconds(Self.secondsMin)
        let cpuBefore = CPUClock.thread
        var query = number * queries.rows / threads
        var asked = 0
        var now = ContinuousClock.now
        while passes.map({ asked < $0 * queries.rows }) ?? (asked < queries.rows || now < deadline) {
            let vector = values.extracting(query * queries.columns..<(query + 1) * queries.columns)
            let pin = index.clock.pin()
            let hits = hits(vector, ef: ef, pin: pin)
            precondition(hits.count <= Truth.depth, "a search returned more than was asked for")
            withExtendedLifetime(pin) {}
            let finished = ContinuousClock.now
            share.latencies.record(finished - now)
            now = finished
            query = (query + 1) % queries.rows
            asked += 1
        }
        share.cpuNanoseconds = CPUClock.thread - cpuBefore
        return share
    }
}
