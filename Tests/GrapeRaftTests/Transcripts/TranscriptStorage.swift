import GrapeRaft

/// A log in memory that offers the applied state as its snapshot at any time.
final class TranscriptStorage: RaftStorage {
    let memory = MemoryStorage()
    /// The state machine, which is all a snapshot of it tells.
    var newest: Snapshot

    init(_ initial: Snapshot) { newest = initial }

    func initialState() throws(RaftStorageError) -> (hardState: HardState, confState: ConfState) {
        try memory.initialState()
    }

    func firstIndex() throws(RaftStorageError) -> LogIndex { try memory.firstIndex() }

    func lastIndex() throws(RaftStorageError) -> LogIndex { try memory.lastIndex() }

    func term(at index: LogIndex) throws(RaftStorageError) -> Term { try memory.term(at: index) }

    func entries(from start: LogIndex, to end: LogIndex, sizeMax: UInt64) throws(RaftStorageError) -> [Entry] {
        try memory.entries(from: start, to: end, sizeMax: sizeMax)
    }

    func snapshot() throws(RaftStorageError) -> Snapshot { newest }

    /// What an append thread does.
    func persist(
        _ state: HardState?, _ entries: [Entry], _ snapshot: Snapshot?
    ) throws(InteractionEnvironment.Failure) {
        if let state { memory.setHardState(state) }
        do {
            if let snapshot {
                try memory.applySnapshot(snapshot)
            } else {
                try memory.append(entries)
            }
        } catch {
            throw InteractionEnvironment.Failure(text: "requested index is older than the existing snapshot")
        }
    }
}
