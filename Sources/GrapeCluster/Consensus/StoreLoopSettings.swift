import GrapeRaft

/// Timing and bounds of the store loop. Times are in ticks: a tick is a fifth of the heartbeat interval (RAFT.md 9).
package struct StoreLoopSettings: Sendable {
    package var electionTicks = 20
    package var heartbeatTicks = 5
    /// Bytes of entries in one append message (RAFT.md 18).
    package var messageBytesMax: UInt64 = 1 << 20
    /// Entries in one append message.
    package var appendEntriesMax = 100
    /// Bytes in flight to one follower of one group.
    package var inflightBytesMax: UInt64 = 8 << 20
    package var inflightMessagesMax = 64
    /// Bytes that one group may hold uncommitted.
    package var uncommittedBytesMax: UInt64 = 32 << 20
    /// Bytes of one group that are handed out and not yet applied.
    package var applyingBytesMax: UInt64 = 8 << 20
    /// Entries kept behind the applied index for followers that come late.
    package var keptEntries = 10_000
    /// The log's beginning moves by so many entries or more.
    package var compactionStep = 1_000
    /// Bytes of log that a group keeps, about, whoever needs it.
    package var logBytesMax = 64 << 20
    /// Bytes of log that a group keeps, about, of what all its replicas have applied; also worth a write to be rid of.
    package var sparedBytes = 256 << 10
    /// Ticks between two looks at how long the logs are.
    package var compactionTicks = 2
    package var seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    func raft(_ id: ReplicaID, applied: RaftIndex) -> RaftConfiguration {
        var raft = RaftConfiguration(id: id, electionTicks: electionTicks, heartbeatTicks: heartbeatTicks)
        raft.applied = applied
        raft.messageBytesMax = messageBytesMax
        raft.applyingBytesMax = applyingBytesMax
        raft.uncommittedBytesMax = uncommittedBytesMax
        raft.inflightMessagesMax = inflightMessagesMax
        raft.inflightBytesMax = inflightBytesMax
        raft.disableProposalForwarding = true
        raft.stepDownOnRemoval = true
        return raft
    }
}
