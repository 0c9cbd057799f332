/// Timing and bounds of a node's consensus, in the units of the configuration.
package struct ConsensusOptions: Sendable {
    package var electionTimeoutMilliseconds = 1_000
    package var heartbeatMilliseconds = 250
    /// Entries kept behind the applied index.
    package var compactionThreshold = 10_000
    /// Entries between two checks for compaction.
    package var snapshotInterval = 1_000
    /// Bytes of log that a group keeps, whatever the threshold says.
    package var logBytesMax = 64 << 20

    /// Entries in one message to a follower.
    package var maxAppendEntries = 100

    /// Damage ends a replica, for others to replace it; else it ends the node.
    package var sparesDamaged = false

    package init() {}

    /// A tick is a fifth of a heartbeat (RAFT.md 9).
    static let ticksOfHeartbeat = 5

    var tickMilliseconds: Int { max(1, heartbeatMilliseconds / Self.ticksOfHeartbeat) }

    func settings(seed: UInt64) -> StoreLoopSettings {
        var settings = StoreLoopSettings(seed: seed)
        settings.heartbeatTicks = Self.ticksOfHeartbeat
        settings.electionTicks = max(
            4 * Self.ticksOfHeartbeat, electionTimeoutMilliseconds / tickMilliseconds)
        settings.appendEntriesMax = max(1, maxAppendEntries)
        settings.keptEntries = max(0, compactionThreshold)
        settings.compactionStep = max(1, snapshotInterval)
        settings.logBytesMax = logBytesMax
        return settings
    }
}
