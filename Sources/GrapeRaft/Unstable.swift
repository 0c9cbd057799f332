/// The end of the log that is not yet known to be durable, and a snapshot on its way to storage.
///
/// Entries stay here after they were handed out for writing, until the write is confirmed: storage may not show them
/// earlier. `start` can lie before the end of what storage holds; the next write then cuts storage there.
///
/// Invariant: `entries[i]` has index `start + i`; `start <= inProgress <= end`.
package struct Unstable: Sendable {
    package private(set) var snapshot: Snapshot?
    package private(set) var entries: [Entry] = []
    /// The index of the first entry here, or the next one to come.
    package private(set) var start: LogIndex
    /// Entries before this index are being written.
    package private(set) var inProgress: LogIndex
    private var isSnapshotInProgress = false

    package init(start: LogIndex) {
        self.start = start
        inProgress = start
    }

    /// One past the last entry of the whole log.
    package var end: LogIndex { start.advanced(by: entries.count) }

    /// The term at `index`, if the entry or the snapshot that ends there is here.
    package func term(at index: LogIndex) -> Term? {
        if index >= start { return index < end ? entries[index.distance(from: start)].term : nil }
        guard let snapshot, snapshot.index == index else { return nil }
        return snapshot.term
    }

    /// Entries in `[first, limit)`, all of which are here.
    package func slice(from first: LogIndex, to limit: LogIndex) -> ArraySlice<Entry> {
        precondition(
            start <= first && first <= limit && limit <= end,
            "unstable [\(first.rawValue), \(limit.rawValue)) outside [\(start.rawValue), \(end.rawValue))")
        return entries[first.distance(from: start)..<limit.distance(from: start)]
    }

    // MARK: Towards storage

    package var nextSnapshot: Snapshot? { isSnapshotInProgress ? nil : snapshot }

    package var hasNextEntries: Bool { inProgress < end }

    /// Everything here has been handed out for writing.
    package mutating func acceptInProgress() {
        inProgress = end
        if snapshot != nil { isSnapshotInProgress = true }
    }

    /// Entries up to `id` are durable, and no write under way can replace them. An id that is not here is out of date.
    package mutating func stable(through id: EntryID) {
        guard id.index >= start, term(at: id.index) == id.term else { return }
        let count = id.index.distance(from: start) + 1
        if count == entries.count {
            entries.removeAll(keepingCapacity: entries.count <= 1024)
        } else {
            entries.removeFirst(count)
        }
        start = id.index.next
        inProgress = max(inProgress, start)
    }

    package mutating func stableSnapshot(at index: LogIndex) {
        guard snapshot?.index == index else { return }
        snapshot = nil
        isSnapshotInProgress = false
    }

    // MARK: Towards the log's end

    /// The whole log is replaced by a snapshot.
    package mutating func restore(_ snapshot: Snapshot) {
        entries = []
        start = snapshot.index.next
        inProgress = start
        self.snapshot = snapshot
        isSnapshotInProgress = false
    }

    /// Adds entries, dropping what they replace.
    package mutating func replace(with fresh: ArraySlice<Entry>) {
        guard let first = fresh.first?.index else { return }
        precondition(first <= end, "entry \(first.rawValue) leaves a gap after \(end.rawValue)")
        if first <= start && first != end {
            entries.removeAll(keepingCapacity: true)
            start = first
            inProgress = first
        } else {
            entries.removeSubrange(first.distance(from: start)...)
            inProgress = min(inProgress, first)
        }
        entries.append(contentsOf: fresh)
    }
}
