package enum RaftStorageError: Error, Hashable {
    /// The index lies before the first one kept.
    case compacted
    /// The index lies beyond the last one stored.
    case unavailable
    /// A snapshot is being prepared; ask again.
    case snapshotTemporarilyUnavailable
    /// The log cannot be read. The replica stops.
    case failed(String)
}

/// The durable part of the log as the core reads it. The core never writes it: whoever carries out a `Ready` does.
///
/// Reads must show every write whose responses were delivered, and may show later ones. Compaction may run between any
/// two calls.
package protocol RaftStorage: AnyObject {
    /// What was last persisted, and the configuration at the snapshot or applied index from which the log goes on.
    func initialState() throws(RaftStorageError) -> (hardState: HardState, confState: ConfState)

    /// The index of the first entry that `entries` can return; one past the snapshot when there is none.
    func firstIndex() throws(RaftStorageError) -> LogIndex

    /// The index of the last entry, or of the snapshot when there is none.
    func lastIndex() throws(RaftStorageError) -> LogIndex

    /// The term of the entry at `index`, which lies in `[firstIndex - 1, lastIndex]`.
    func term(at index: LogIndex) throws(RaftStorageError) -> Term

    /// Entries in `[start, end)`, as many from the front as `sizeMax` bytes (`Entry.encodedSize`) hold, at least one.
    func entries(from start: LogIndex, to end: LogIndex, sizeMax: UInt64) throws(RaftStorageError) -> [Entry]

    /// The newest snapshot that can be sent to a follower.
    func snapshot() throws(RaftStorageError) -> Snapshot
}
