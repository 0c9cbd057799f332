/// The bounds of the core, in one place.
package enum Limits {
    /// Terms and indexes above these are refused wherever they come from, so that no sum of one and a count overflows.
    package static let termMax = Term(1 << 62)
    package static let indexMax = LogIndex(1 << 62)
    /// Longest timeout in ticks.
    package static let ticksMax = 1 << 30
    /// Entries in one message.
    package static let messageEntriesMax = 1 << 20
    /// Replicas in one configuration, learners included.
    package static let replicasMax = 64
    /// Reads a leader keeps while it has not committed in its term, and reads waiting for one quorum round.
    package static let pendingReadsMax = 1 << 14
    /// Bytes of an encoded configuration change.
    package static let confChangeBytesMax = 1 << 16
}
