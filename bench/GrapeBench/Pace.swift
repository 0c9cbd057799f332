import Foundation
import NIOCore
import NIOPosix

/// When requests are due: at a mean rate, as many clients who know nothing of each other send them (a Poisson process).
///
/// One that finds no connection free is sent late, and its latency counts from when it was due: a server that stalls can't
/// hide behind requests that were never sent.
struct Pace: Sendable {
    private let secondsBetween: Double
    private var last: ContinuousClock.Instant

    /// - Parameter rate: requests a second.
    init(rate: Double, start: ContinuousClock.Instant = .now) {
        precondition(rate > 0, "a rate of \(rate) requests a second")
        secondsBetween = 1 / rate
        last = start
    }

    /// When the next request is due.
    mutating func next() -> ContinuousClock.Instant {
        last += .seconds(-secondsBetween * log(1 - Double.random(in: 0..<1)))
        return last
    }
}

extension EventLoop {
    /// Returns at a point in time; at once where it is past. To some microseconds, where `Task.sleep` takes a millisecond.
    nonisolated(nonsending) func wait(until due: ContinuousClock.Instant) async {
        let rest = due - .now
        guard rest > .zero else { return }
        let timer = scheduleTask(in: .nanoseconds(Int64(rest.nanoseconds))) {}
        await withCheckedContinuation { continuation in
            timer.futureResult.whenComplete { _ in continuation.resume() }
        }
    }
}
