/// How long something takes each time: an average that forgets, and sums for metrics.
package struct LatencyFigures: Sendable {
    package private(set) var count: UInt64 = 0
    package private(set) var seconds = 0.0
    /// Of the last few dozen.
    package private(set) var averageMilliseconds = 0.0

    mutating func add(_ took: Duration) {
        let milliseconds = took / .milliseconds(1)
        count += 1
        seconds += milliseconds / 1_000
        averageMilliseconds += (milliseconds - averageMilliseconds) / Double(min(count, 32))
    }
}
