/// Runs of entries, from storage, from memory or from both.
extension RaftLog {
    /// Entries in `[first, limit)` from the front, within `sizeMax` bytes but at least one; nil if compacted.
    package mutating func entries(
        from first: LogIndex, to limit: LogIndex, sizeMax: UInt64
    ) throws(RaftError) -> [Entry]? {
        precondition(first <= limit && limit <= lastIndex.next, "entries up to \(limit.rawValue) beyond the end")
        if first == limit { return [] }
        if first >= unstable.start { return run(from: first, to: limit, sizeMax: sizeMax) }
        if try first < firstIndex() { return nil }
        let stableLimit = min(limit, unstable.start)
        guard var stored = try storedEntries(from: first, to: stableLimit, sizeMax: sizeMax) else { return nil }
        if stored.count < stableLimit.distance(from: first) || limit == stableLimit { return stored }
        stored.append(contentsOf: unstable.slice(from: stableLimit, to: limit))
        return Array(stored.prefix(stored[...].prefixCount(sizeMax: sizeMax)))
    }

    /// What storage returns is checked before use: a gap here would be a hole in every log that follows.
    private func storedEntries(
        from first: LogIndex, to limit: LogIndex, sizeMax: UInt64
    ) throws(RaftError) -> [Entry]? {
        let stored: [Entry]
        do {
            stored = try storage.entries(from: first, to: limit, sizeMax: sizeMax)
        } catch .compacted {
            return nil
        } catch {
            throw .stopped(.storage(error))
        }
        let isWhole = stored.first?.index == first && stored.last?.index == first.advanced(by: stored.count - 1)
        if !isWhole || stored.count > limit.distance(from: first) {
            throw .stopped(.storage(.failed("entries from \(first.rawValue) are not the ones asked for")))
        }
        return stored
    }

    /// Copies unstable entries out, sharing the copy with the last caller who wanted the same ones.
    mutating func run(from first: LogIndex, to limit: LogIndex, sizeMax: UInt64) -> [Entry] {
        let slice = unstable.slice(from: first, to: limit)
        let count = slice.prefixCount(sizeMax: sizeMax)
        let end = first.advanced(by: count)
        if lastRunEnd != end || lastRun.count != count {
            lastRun = Array(slice.prefix(count))
            lastRunEnd = end
        }
        return lastRun
    }

    mutating func forgetLastRun() {
        lastRun = []
        lastRunEnd = .zero
    }
}
