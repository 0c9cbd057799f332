/// What the scrub has done since the start.
package struct ScrubFigures: Sendable, Hashable {
    /// Rounds that came to their end.
    package var rounds: UInt64 = 0
    package var isRunning = false
    /// How long the last whole round took, and when it ended (milliseconds since 1970; 0: never).
    package var lastSeconds = 0.0
    package var lastEnd: UInt64 = 0
    package var bytes: UInt64 = 0
    package var points: UInt64 = 0
    package var entries: UInt64 = 0
    package var chunks: UInt64 = 0
    package var tables: UInt64 = 0
    /// Points that an index had otherwise than the rows.
    package var indexCorrections: UInt64 = 0
}

/// How fast and how often a node reads its disk again.
package struct ScrubOptions: Sendable {
    package var bytesPerSecond = 16 << 20
    /// The first round begins so long after the start, the next ones so long after the end of the one before.
    package var firstAfterSeconds = 30
    package var intervalSeconds = 6 * 3_600

    package init() {}
}
