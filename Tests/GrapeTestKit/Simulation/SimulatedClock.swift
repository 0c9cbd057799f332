/// The clock of one node: how fast it runs, and until when the node stands still.
package struct SimulatedClock: Sendable {
    /// Simulated microseconds between two ticks; 1,000 is true time.
    package private(set) var tickInterval: UInt64 = 1_000
    package private(set) var pausedUntil: UInt64 = 0

    package init() {}

    package mutating func setRate(using random: inout Xoshiro256) {
        tickInterval = UInt64(random.within(400...2_500))
    }

    package mutating func pause(until time: UInt64) { pausedUntil = max(pausedUntil, time) }

    package mutating func heal() {
        tickInterval = 1_000
        pausedUntil = 0
    }
}
