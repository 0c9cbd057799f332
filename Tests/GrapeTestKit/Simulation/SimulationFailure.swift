/// What a checker found wrong.
package struct Violation: Error, Sendable, CustomStringConvertible {
    package enum Check: String, Sendable {
        case votedTwice, oneLeaderPerTerm, leaderCompleteness, logMatching, committedChanged, commitNotDurable,
            commitOfOldTerm
        case commitNotDecided, monotone, appliedOnce, appliedStateDiffers, acknowledgedWriteMissing
        case linearizability, liveness, coreRefused
        case configuration, storage, moveNotFinished
    }

    package let check: Check
    package let detail: String

    package init(_ check: Check, _ detail: String) {
        self.check = check
        self.detail = detail
    }

    package var description: String { "\(check.rawValue): \(detail)" }
}

/// A violation with all that is needed to see it again.
package struct SimulationFailure: Error, Sendable, CustomStringConvertible {
    package let violation: Violation
    package let options: SimulationOptions
    package let event: Int
    /// Simulated milliseconds: ticks of a clock that runs true.
    package let tick: UInt64

    package var description: String {
        """
        FAILED \(violation)
        seed \(options.seed), event \(event), tick \(tick)
        options \(options)
        replay: \(options.replayCommand)
        """
    }
}
