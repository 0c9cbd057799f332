import GrapeRaft
import Testing

@Suite("The log, stable and unstable")
struct RaftLogTests {
    /// A log beside a plain array of the same entries, and writes that reach storage late.
    private struct Twin {
        var log: RaftLog<MemoryStorage>
        let storage = MemoryStorage()
        /// `entries[i]` has index `i + 1`.
        var entries: [Entry] = []
        /// Written in order; each may be confirmed only when nothing later can replace it.
        var writes: [[Entry]] = []
        var confirmations: [EntryID?] = []

        init() throws { log = try RaftLog(storage: storage, applyingBytesMax: .max) }

        var last: LogIndex { LogIndex(UInt64(entries.count)) }
    }

    @Test("every read equals that of a plain array, while entries are appended, replaced, written and committed")
    func readsEqualNaiveTwin() throws {
        var random = RaftRandom(seed: 5)
        for _ in 0..<150 {
            var twin = try Twin()
            var term: UInt64 = 1
            for _ in 0..<120 {
                switch random.number(6) {
                case 0, 1: try append(&twin, &random, &term)
                case 2: handOut(&twin)
                case 3: try write(&twin)
                case 4:
                    let index = LogIndex(random.number(twin.last.rawValue + 1))
                    twin.log.advanceCommit(to: min(index, twin.last))
                default: try compact(&twin, &random)
                }
                try compare(&twin, &random)
            }
        }
    }

    private func append(_ twin: inout Twin, _ random: inout RaftRandom, _ term: inout UInt64) throws {
        let uncommitted = twin.last.distance(from: twin.log.committed)
        let after = twin.log.committed.advanced(by: Int(random.number(UInt64(uncommitted) + 1)))
        // Within a term a leader only appends: what comes earlier comes from a new one, or is a repetition.
        let isRepetition = after < twin.last && random.isLucky(1, in: 2)
        if !isRepetition && (after < twin.last || random.isLucky(1, in: 4)) { term += 1 }
        let previous = EntryID(term: after == .zero ? .zero : twin.entries[Int(after.rawValue) - 1].term, index: after)
        var fresh: [Entry] = []
        for offset in 0..<Int(random.number(4)) {
            let position = Int(after.rawValue) + offset
            if isRepetition {
                if position < twin.entries.count { fresh.append(twin.entries[position]) }
                continue
            }
            let data = [UInt8](repeating: UInt8(term), count: Int(random.number(20)))
            fresh.append(Entry(term: Term(term), index: after.advanced(by: offset + 1), data: data))
        }
        // Entries already there with the same term stay, as in any log that follows one leader.
        let newLast = try twin.log.append(fresh, after: previous, commit: .zero)
        #expect(newLast == after.advanced(by: fresh.count))
        for entry in fresh {
            let position = Int(entry.index.rawValue) - 1
            if position < twin.entries.count && twin.entries[position].term == entry.term { continue }
            twin.entries.removeSubrange(min(position, twin.entries.count)...)
            twin.entries.append(entry)
        }
    }

    private func handOut(_ twin: inout Twin) {
        let next = twin.log.nextUnstableEntries()
        if next.isEmpty { return }
        let tail = Array(twin.entries.suffix(from: Int(next[0].index.rawValue) - 1))
        #expect(next == tail)
        twin.log.acceptUnstable()
        twin.writes.append(next)
    }

    /// Writes the oldest batch. It is confirmed only if no batch under way could replace it.
    private func write(_ twin: inout Twin) throws {
        if twin.writes.isEmpty { return }
        let batch = twin.writes.removeFirst()
        try twin.storage.append(batch)
        guard let last = batch.last, !twin.writes.contains(where: { $0[0].index <= last.index }) else { return }
        twin.log.stable(through: last.id)
    }

    private func compact(_ twin: inout Twin, _ random: inout RaftRandom) throws {
        let stable = min(twin.log.committed, twin.log.unstable.start.previous)
        let first = try twin.storage.firstIndex()
        if !twin.writes.isEmpty || stable <= first || random.isLucky(3, in: 4) { return }
        try twin.storage.compact(to: stable.previous)
    }

    private func compare(_ twin: inout Twin, _ random: inout RaftRandom) throws {
        #expect(twin.log.lastIndex == twin.last)
        let first = try twin.log.firstIndex()
        for _ in 0..<4 {
            let index = LogIndex(random.number(twin.last.rawValue + 3))
            var expected: Term?
            if index == .zero && first == LogIndex(1) { expected = .zero }
            if index > .zero && index <= twin.last && index.next >= first {
                expected = twin.entries[Int(index.rawValue) - 1].term
            }
            let found = try twin.log.term(at: index)
            #expect(
                found == expected,
                "at \(index.rawValue) of \(twin.last.rawValue), first \(first.rawValue)"
            )
        }
        let start = LogIndex(1 + random.number(twin.last.rawValue + 1))
        let end = start.advanced(by: Int(random.number(UInt64(twin.last.next.distance(from: start)) + 1)))
        let sizeMax = random.number(100)
        let read = try twin.log.entries(from: start, to: end, sizeMax: sizeMax)
        if start == end {
            #expect(read == [])
        } else if start < first {
            #expect(read == nil)
        } else {
            #expect(read == prefix(Array(twin.entries[Int(start.rawValue) - 1..<Int(end.rawValue) - 1]), sizeMax))
        }
    }

    private func prefix(_ entries: [Entry], _ sizeMax: UInt64) -> [Entry] {
        var kept: [Entry] = []
        var size: UInt64 = 0
        for entry in entries {
            size += entry.encodedSize
            if !kept.isEmpty && size > sizeMax { break }
            kept.append(entry)
        }
        return kept
    }

    @Test("entries replaced by the same ones are not confirmed by the write of the first")
    func confirmationOfReplacedEntries() {
        var unstable = Unstable(start: LogIndex(1))
        unstable.replace(with: [Entry(term: Term(1), index: LogIndex(1)), Entry(term: Term(1), index: LogIndex(2))])
        unstable.acceptInProgress()
        unstable.replace(with: [Entry(term: Term(2), index: LogIndex(2))])
        #expect(unstable.inProgress == LogIndex(2))
        unstable.stable(through: EntryID(term: Term(1), index: LogIndex(2)))
        #expect(unstable.entries.count == 2, "the entry confirmed is no longer here")
        unstable.stable(through: EntryID(term: Term(1), index: LogIndex(1)))
        #expect(unstable.entries.map(\.term) == [Term(2)])
        #expect(unstable.start == LogIndex(2))
    }

    @Test("a snapshot replaces the log, and entries follow it")
    func snapshotReplacesLog() throws {
        let storage = MemoryStorage()
        var log = try RaftLog(storage: storage, applyingBytesMax: .max)
        log.append([Entry(term: Term(1), index: LogIndex(1))])
        log.restore(Snapshot(term: Term(2), index: LogIndex(9), confState: ConfState()))
        #expect(log.lastIndex == LogIndex(9) && log.committed == LogIndex(9))
        #expect(try log.term(at: LogIndex(9)) == Term(2))
        #expect(try log.term(at: LogIndex(1)) == nil)
        log.append([Entry(term: Term(2), index: LogIndex(10))])
        let next = try log.nextCommitted(allowUnstable: true)
        #expect(next.isEmpty, "nothing is applied before the snapshot is")
        #expect(try log.lastID() == EntryID(term: Term(2), index: LogIndex(10)))
    }

    @Test("entries are handed out for applying up to the byte bound, and go on when some are applied")
    func applyingIsBounded() throws {
        let storage = MemoryStorage()
        var log = try RaftLog(storage: storage, applyingBytesMax: 250)
        let entries = (1...4).map { Entry(term: Term(1), index: LogIndex($0), data: [UInt8](repeating: 0, count: 100)) }
        log.append(entries)
        log.advanceCommit(to: LogIndex(4))
        let first = try log.nextCommitted(allowUnstable: true)
        #expect(first.map(\.index.rawValue) == [1, 2])
        log.acceptApplying(first, allowUnstable: true)
        #expect(!log.hasNextCommitted(allowUnstable: true))
        log.advanceApplied(to: LogIndex(1), bytes: entries[0].encodedSize)
        let second = try log.nextCommitted(allowUnstable: true)
        #expect(second.map(\.index.rawValue) == [3])
        #expect(!log.hasNextCommitted(allowUnstable: false), "nothing is durable")
    }

    @Test("the last possible match skips every newer term and stops where terms are unknown")
    func lastPossibleMatch() throws {
        let storage = MemoryStorage()
        try storage.append(
            [1, 3, 3, 4, 4, 6].enumerated().map { Entry(term: Term($1), index: LogIndex(UInt64($0) + 1)) })
        try storage.compact(to: LogIndex(2))
        let log = try RaftLog(storage: storage, applyingBytesMax: .max)
        #expect(try log.lastPossibleMatch(at: LogIndex(6), term: Term(5)) == EntryID(term: Term(4), index: LogIndex(5)))
        #expect(try log.lastPossibleMatch(at: LogIndex(6), term: Term(3)) == EntryID(term: Term(3), index: LogIndex(3)))
        #expect(try log.lastPossibleMatch(at: LogIndex(6), term: Term(2)) == EntryID(term: .zero, index: LogIndex(1)))
    }
}
