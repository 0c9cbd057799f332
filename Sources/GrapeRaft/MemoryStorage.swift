/// The log in memory: for tests, simulation and as the reference of what `RaftStorage` promises.
package final class MemoryStorage: RaftStorage {
    package private(set) var hardState = HardState()
    private var newestSnapshot = Snapshot(term: .zero, index: .zero, confState: ConfState())
    /// The id of the entry before the first one kept.
    private var base = EntryID(term: .zero, index: .zero)
    /// Invariant: `kept[i]` has index `base.index + 1 + i`.
    private var kept: [Entry] = []

    package init() {}

    /// An independent copy, as a disk image is copied.
    package init(copying other: MemoryStorage) {
        hardState = other.hardState
        newestSnapshot = other.newestSnapshot
        base = other.base
        kept = other.kept
    }

    // MARK: Reads

    package func initialState() throws(RaftStorageError) -> (hardState: HardState, confState: ConfState) {
        (hardState, newestSnapshot.confState)
    }

    package func firstIndex() throws(RaftStorageError) -> LogIndex { base.index.next }

    package func lastIndex() throws(RaftStorageError) -> LogIndex { last }

    package func term(at index: LogIndex) throws(RaftStorageError) -> Term {
        if index == base.index { return base.term }
        if index < base.index { throw .compacted }
        if index > last { throw .unavailable }
        return kept[position(of: index)].term
    }

    package func entries(
        from start: LogIndex, to end: LogIndex, sizeMax: UInt64
    ) throws(RaftStorageError) -> [Entry] {
        if start <= base.index { throw .compacted }
        if end > last.next || start > end { throw .unavailable }
        let slice = kept[position(of: start)..<position(of: end)]
        return Array(slice.prefix(slice.prefixCount(sizeMax: sizeMax)))
    }

    package func snapshot() throws(RaftStorageError) -> Snapshot { newestSnapshot }

    // MARK: Writes

    package func setHardState(_ state: HardState) { hardState = state }

    /// Adds entries, cutting whatever they replace. Entries at or before the snapshot are skipped.
    package func append(_ entries: [Entry]) throws(RaftStorageError) {
        guard let head = entries.first, let tail = entries.last, tail.index > base.index else { return }
        if head.index > last.next { throw .unavailable }
        let fresh = entries.drop { $0.index <= base.index }
        guard let first = fresh.first else { return }
        kept.removeSubrange(position(of: first.index)...)
        kept.append(contentsOf: fresh)
    }

    /// Replaces the whole log by a snapshot.
    package func applySnapshot(_ snapshot: Snapshot) throws(RaftStorageError) {
        if newestSnapshot.index != .zero && newestSnapshot.index >= snapshot.index { throw .compacted }
        newestSnapshot = snapshot
        base = snapshot.id
        kept = []
    }

    /// Records that a snapshot can be made at `index`; `confState` is the configuration there.
    package func createSnapshot(at index: LogIndex, confState: ConfState) throws(RaftStorageError) {
        if index <= newestSnapshot.index { throw .compacted }
        newestSnapshot = Snapshot(term: try term(at: index), index: index, confState: confState)
    }

    /// Drops every entry up to and including `index`.
    package func compact(to index: LogIndex) throws(RaftStorageError) {
        if index <= base.index { throw .compacted }
        if index > last { throw .unavailable }
        let id = kept[position(of: index)].id
        kept.removeFirst(index.distance(from: base.index))
        base = id
    }

    private var last: LogIndex { base.index.advanced(by: kept.count) }

    private func position(of index: LogIndex) -> Int { index.distance(from: base.index) - 1 }
}
