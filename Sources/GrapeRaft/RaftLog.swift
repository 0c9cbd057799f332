/// The whole log of a replica: what storage holds, and after it what is not yet durable.
///
/// Invariant: `applied <= applying <= committed <= lastIndex`. The first three never fall.
package struct RaftLog<Storage: RaftStorage> {
    let storage: Storage
    package private(set) var unstable: Unstable
    /// The highest index known to be stored by a quorum.
    package private(set) var committed: LogIndex
    /// The highest index handed out for applying.
    package private(set) var applying: LogIndex
    /// The highest index applied.
    package private(set) var applied: LogIndex
    /// Bytes of committed entries that may be handed out and not yet applied.
    let applyingBytesMax: UInt64
    private var applyingBytes: UInt64 = 0
    private var isApplyingPaused = false
    /// The last run of unstable entries copied out: a leader sends the same run to every follower and to storage.
    var lastRun: [Entry] = []
    var lastRunEnd = LogIndex.zero

    package init(storage: Storage, applyingBytesMax: UInt64) throws(RaftError) {
        self.storage = storage
        self.applyingBytesMax = applyingBytesMax
        let first = try reading { () throws(RaftStorageError) in try storage.firstIndex() }
        let last = try reading { () throws(RaftStorageError) in try storage.lastIndex() }
        if first == .zero || last > Limits.indexMax || first > last.next {
            throw .invalidStart("log from \(first.rawValue) to \(last.rawValue)")
        }
        unstable = Unstable(start: last.next)
        committed = first.previous
        applying = first.previous
        applied = first.previous
    }

    // MARK: Where the log stands

    package var lastIndex: LogIndex { unstable.end.previous }

    package func firstIndex() throws(RaftError) -> LogIndex {
        if let snapshot = unstable.snapshot { return snapshot.index.next }
        return try reading { () throws(RaftStorageError) in try storage.firstIndex() }
    }

    /// The term at `index`; nil if it is compacted (but for the entry just before the first) or beyond the end.
    package func term(at index: LogIndex) throws(RaftError) -> Term? {
        if let term = unstable.term(at: index) { return term }
        if index > lastIndex { return nil }
        if try index.next < firstIndex() { return nil }
        do {
            return try storage.term(at: index)
        } catch .compacted, .unavailable {
            return nil
        } catch {
            throw .stopped(.storage(error))
        }
    }

    package func lastID() throws(RaftError) -> EntryID {
        let index = lastIndex
        guard let term = try term(at: index) else { throw .stopped(.storage(.unavailable)) }
        return EntryID(term: term, index: index)
    }

    package func matches(_ id: EntryID) throws(RaftError) -> Bool { try term(at: id.index) == id.term }

    /// Section 5.4.1: the log whose last entry has the later term, or else the higher index, is more up-to-date.
    package func isUpToDate(_ candidate: EntryID) throws(RaftError) -> Bool {
        let last = try lastID()
        return candidate.term > last.term || (candidate.term == last.term && candidate.index >= last.index)
    }

    /// The largest index at most `index` whose term is at most `term` or unknown; its term is zero when unknown. Where
    /// two logs disagree at an index with `term` in the other log, nothing after the answer can match.
    package func lastPossibleMatch(at index: LogIndex, term: Term) throws(RaftError) -> EntryID {
        var guess = index
        while guess > .zero {
            guard let ours = try self.term(at: guess) else { return EntryID(term: .zero, index: guess) }
            if ours <= term { return EntryID(term: ours, index: guess) }
            guess = guess.previous
        }
        return EntryID(term: .zero, index: .zero)
    }

    // MARK: Appending

    /// Appends a leader's entries after `previous` where the logs match there, and follows its commit index.
    ///
    /// Returns the last index of the entries, or nil where the logs do not match.
    package mutating func append(
        _ entries: [Entry], after previous: EntryID, commit: LogIndex
    ) throws(RaftError) -> LogIndex? {
        if try !matches(previous) { return nil }
        let newLast = previous.index.advanced(by: entries.count)
        if let first = try firstConflict(entries) {
            let index = entries[first].index
            if index <= committed {
                throw .stopped(.committedEntryConflict(index: index, committed: committed))
            }
            replace(with: entries[first...])
        }
        advanceCommit(to: min(commit, newLast))
        return newLast
    }

    /// Appends entries of this replica as leader.
    package mutating func append(_ entries: [Entry]) {
        guard let first = entries.first else { return }
        precondition(
            first.index == lastIndex.next, "leader appends \(first.index.rawValue) after \(lastIndex.rawValue)")
        replace(with: entries[...])
    }

    private mutating func replace(with entries: ArraySlice<Entry>) {
        precondition(
            (entries.first?.index ?? .zero) > committed,
            "append would replace committed entries up to \(committed.rawValue)")
        forgetLastRun()
        unstable.replace(with: entries)
    }

    /// The position of the first entry that is missing here or has another term.
    private func firstConflict(_ entries: [Entry]) throws(RaftError) -> Int? {
        for position in entries.indices where try !matches(entries[position].id) { return position }
        return nil
    }

    /// The log is replaced by a snapshot, which is committed by nature.
    package mutating func restore(_ snapshot: Snapshot) {
        precondition(
            snapshot.index > committed, "snapshot \(snapshot.index.rawValue) at or below commit \(committed.rawValue)")
        committed = snapshot.index
        forgetLastRun()
        unstable.restore(snapshot)
    }

    // MARK: Committing and applying

    /// Never falls, never passes the end.
    package mutating func advanceCommit(to index: LogIndex) {
        if index <= committed { return }
        precondition(index <= lastIndex, "commit \(index.rawValue) beyond the last index \(lastIndex.rawValue)")
        committed = index
    }

    /// Section 5.4.2: only entries of the leader's own term are committed by counting replicas.
    package mutating func commitIfOwnTerm(_ id: EntryID) throws(RaftError) -> Bool {
        guard id.index > committed, id.term != .zero, try term(at: id.index) == id.term else { return false }
        advanceCommit(to: id.index)
        return true
    }

    /// Entries handed out for applying. Each index is handed out once.
    package mutating func acceptApplying(_ entries: [Entry], allowUnstable: Bool) {
        guard let first = entries.first, let last = entries.last else { return }
        precondition(
            first.index == applying.next && last.index <= committed,
            "applying [\(first.index.rawValue), \(last.index.rawValue)] after \(applying.rawValue)")
        applying = last.index
        applyingBytes += entries.encodedSize
        // Whatever was left out for its size must wait until something is applied.
        isApplyingPaused = applyingBytes >= applyingBytesMax || applying < lastAppliable(allowUnstable)
    }

    package mutating func advanceApplied(to index: LogIndex, bytes: UInt64) {
        precondition(
            applied <= index && index <= committed,
            "applied \(index.rawValue) outside [\(applied.rawValue), \(committed.rawValue)]")
        applied = index
        applying = max(applying, index)
        applyingBytes -= min(applyingBytes, bytes)
        isApplyingPaused = applyingBytes > 0 && applyingBytes >= applyingBytesMax
    }

    package func hasNextCommitted(allowUnstable: Bool) -> Bool {
        !isApplyingPaused && unstable.snapshot == nil && applying < lastAppliable(allowUnstable)
    }

    /// Committed entries to apply next, within the byte bound. None while a snapshot is on its way to storage.
    package mutating func nextCommitted(allowUnstable: Bool) throws(RaftError) -> [Entry] {
        guard hasNextCommitted(allowUnstable: allowUnstable) else { return [] }
        let limit = lastAppliable(allowUnstable).next
        guard
            let entries = try entries(
                from: applying.next, to: limit, sizeMax: applyingBytesMax - min(applyingBytesMax, applyingBytes))
        else { throw .stopped(.storage(.compacted)) }
        return entries
    }

    private func lastAppliable(_ allowUnstable: Bool) -> LogIndex {
        allowUnstable ? committed : min(committed, unstable.start.previous)
    }

    // MARK: Storage

    package func snapshot() throws(RaftStorageError) -> Snapshot {
        if let snapshot = unstable.snapshot { return snapshot }
        return try storage.snapshot()
    }

    package mutating func nextUnstableEntries() -> [Entry] {
        unstable.hasNextEntries ? run(from: unstable.inProgress, to: unstable.end, sizeMax: .max) : []
    }

    package mutating func acceptUnstable() { unstable.acceptInProgress() }

    package mutating func stable(through id: EntryID) {
        forgetLastRun()
        unstable.stable(through: id)
    }

    package mutating func stableSnapshot(at index: LogIndex) { unstable.stableSnapshot(at: index) }
}

/// Turns a storage error into the end of the replica.
func reading<Value>(_ read: () throws(RaftStorageError) -> Value) throws(RaftError) -> Value {
    do { return try read() } catch { throw .stopped(.storage(error)) }
}
