import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// The durable log of one group, as the Raft core reads it: entries in the family `log`, the newest of them also in
/// memory, so that what is sent and applied soon after it was written is not read back.
///
/// Key: group (16 bits), index (64), big-endian. Value, little-endian: format (8 bits), term (64), kind (8: 1 a
/// command,
/// 2 an empty entry, 3 and 4 changes of configuration in the older and the newer form), then the entry's bytes.
///
/// Thread safety: owned by the store loop. Writes go into a batch of the loop's; memory shows them at once.
///
/// Invariants:
/// 1. `tail` ends with the log's last entry; entries before it are in the store only.
/// 2. `base` names the entry before the first one kept.
package final class RaftLogStore: RaftStorage {
    private static let format: UInt8 = 1
    private static let headerBytes = 10
    /// Bytes of entries that one group keeps in memory.
    private static let tailBytesMax = 8 << 20

    package let group: LogGroup
    private let database: Database
    package private(set) var base: EntryID
    package private(set) var hardState: HardState
    /// The configuration at the applied index.
    package private(set) var confState: ConfState
    /// The last entry written, or the one before the first that will be.
    package private(set) var last: EntryID
    private var tail: [Entry] = []
    private var tailBytes = 0
    /// What is applied here, for a snapshot's name.
    package private(set) var applied: EntryID
    /// Bytes of the entries that the log keeps, about.
    package private(set) var keptBytes = 0

    /// A log of which the directory says this; `loadEnd` completes it.
    package init(
        group: LogGroup, database: Database, state: GroupState, base: EntryID, hardState: HardState
    ) {
        self.group = group
        self.database = database
        self.base = base
        self.hardState = hardState
        confState = ConfState(encoded: state.configuration) ?? ConfState()
        applied = EntryID(term: Term(state.appliedTerm), index: RaftIndex(state.applied.rawValue))
        last = base
    }

    /// Finds where the log ends. Before anything else.
    package func loadEnd() throws(StorageError) {
        var cursor = try database.cursor(.log, from: key(base.index.next), to: key(.max))
        try cursor.seekToLast()
        guard cursor.isValid else { return }
        let entry = try Self.entry(key: cursor.key, value: cursor.value, group, database)
        last = entry.id
        keptBytes = try last.index.distance(from: base.index) <= Self.countedEntriesMax ? countBytes() : estimateBytes()
    }

    /// So many entries are looked at, one by one, to know what they take.
    private static let countedEntriesMax = 1_000

    private func countBytes() throws(StorageError) -> Int {
        var cursor = try database.cursor(.log, from: key(base.index.next), to: key(.max))
        try cursor.seekToFirst()
        var bytes = 0
        while cursor.isValid {
            bytes += cursor.value.count
            try cursor.next()
        }
        return bytes
    }

    private func estimateBytes() throws(StorageError) -> Int {
        Int(try database.approximateSize(.log, from: key(base.index.next), to: key(last.index.next)))
    }

    // MARK: What the core reads

    package func initialState() throws(RaftStorageError) -> (hardState: HardState, confState: ConfState) {
        (hardState, confState)
    }

    package func firstIndex() throws(RaftStorageError) -> RaftIndex { base.index.next }

    package func lastIndex() throws(RaftStorageError) -> RaftIndex { last.index }

    package func term(at index: RaftIndex) throws(RaftStorageError) -> Term {
        if index == base.index { return base.term }
        if index == last.index { return last.term }
        if index < base.index { throw .compacted }
        if index > last.index { throw .unavailable }
        if let place = place(inTail: index) { return tail[place].term }
        return try read(from: index, to: index.next, sizeMax: 0)[0].term
    }

    package func entries(
        from start: RaftIndex, to end: RaftIndex, sizeMax: UInt64
    ) throws(RaftStorageError) -> [Entry] {
        if start <= base.index { throw .compacted }
        if end > last.index.next || start > end { throw .unavailable }
        guard start < end else { return [] }
        guard let place = place(inTail: start) else { return try read(from: start, to: end, sizeMax: sizeMax) }
        let slice = tail[place..<(place + end.distance(from: start))]
        return Array(slice.prefix(slice.prefixCount(sizeMax: sizeMax)))
    }

    /// The name of a snapshot that could be made now. Its rows are read when it is sent, and may be newer.
    package func snapshot() throws(RaftStorageError) -> GrapeRaft.Snapshot {
        GrapeRaft.Snapshot(term: applied.term, index: applied.index, confState: confState)
    }

    private func place(inTail index: RaftIndex) -> Int? {
        guard let first = tail.first, index >= first.index else { return nil }
        return index.distance(from: first.index)
    }

    private func read(
        from start: RaftIndex, to end: RaftIndex, sizeMax: UInt64
    ) throws(RaftStorageError) -> [Entry] {
        var entries: [Entry] = []
        var size: UInt64 = 0
        do throws(StorageError) {
            var cursor = try database.cursor(.log, from: key(start), to: key(end))
            try cursor.seekToFirst()
            while cursor.isValid {
                let entry = try Self.entry(key: cursor.key, value: cursor.value, group, database)
                size += entry.encodedSize
                if size > sizeMax, !entries.isEmpty { return entries }
                guard entry.index == start.advanced(by: entries.count) else {
                    throw .corruption(
                        .init(path: database.path, family: .log, key: cursor.key), file: nil,
                        detail:
                            "entry \(start.advanced(by: entries.count).rawValue) of group \(group.number) is missing")
                }
                entries.append(entry)
                try cursor.next()
            }
        } catch {
            throw .failed("\(error)")
        }
        guard !entries.isEmpty else { throw .failed("entry \(start.rawValue) of group \(group.number) is missing") }
        return entries
    }

    // MARK: What the store loop writes

    /// Puts entries and hard state into a batch; where entries take the place of others, those are cut in the same
    /// batch (RAFT.md 3). Once the batch is written, `note` makes it what the core reads.
    package func put(_ entries: [Entry], _ state: HardState?, into batch: inout WriteBatch) {
        if let state { batch.put(.state, key: StateKey.hardState(group), value: state.encoded) }
        guard let first = entries.first else { return }
        if first.index <= last.index {
            batch.deleteRange(.log, from: key(first.index), to: key(last.index.next))
        }
        for entry in entries {
            let header = Self.header(of: entry)
            let key = key(entry.index)
            unsafe batch.put(.log, key: key.span.bytes, header: header.span.bytes, body: entry.data.span.bytes)
        }
    }

    /// The batch with these is written.
    package func note(_ entries: [Entry], _ state: HardState?) {
        if let state { hardState = state }
        guard let first = entries.first, let newest = entries.last else { return }
        if first.index <= last.index {
            let cut = last.index.distance(from: first.index) + 1
            tail.removeLast(min(tail.count, cut))
            tailBytes = tail.reduce(0) { $0 + $1.data.count }
        }
        for entry in entries {
            tailBytes += entry.data.count
            keptBytes += entry.data.count + Self.headerBytes
        }
        tail.append(contentsOf: entries)
        last = newest.id
        trimTail()
    }

    /// Applied up to there, under this configuration.
    package func noteApplied(_ id: EntryID, confState: ConfState?) {
        applied = id
        if let confState { self.confState = confState }
        trimTail()
    }

    /// The log begins anew behind a snapshot.
    package func restart(at id: EntryID, hardState: HardState, confState: ConfState) {
        (base, last, applied) = (id, id, id)
        self.hardState = hardState
        self.confState = confState
        tail = []
        tailBytes = 0
        keptBytes = 0
    }

    /// Puts a new beginning into a batch: entries up to it are not read any more, and are dropped when the batch is
    /// durable.
    package func putBase(_ id: EntryID, into batch: inout WriteBatch) {
        precondition(id.index <= applied.index, "the log would begin behind what is applied")
        batch.put(.state, key: StateKey.logBase(group), value: id.encoded)
    }

    /// The batch with the new beginning is written.
    package func noteBase(_ id: EntryID) {
        keptBytes -= id.index == last.index ? keptBytes : bytes(through: id.index)
        base = id
        tail.removeFirst(tail.prefix(while: { $0.index <= id.index }).count)
        tailBytes = tail.reduce(0) { $0 + $1.data.count }
    }

    /// What the kept entries up to an index take, about.
    package func bytes(through index: RaftIndex) -> Int {
        let all = last.index.distance(from: base.index)
        return all == 0 ? 0 : keptBytes * index.distance(from: base.index) / all
    }

    /// The entries behind this index take no more than so many bytes, about.
    package func indexBehind(bytes: Int) -> RaftIndex {
        guard keptBytes > bytes else { return base.index }
        let count = last.index.distance(from: base.index)
        return base.index.advanced(by: min(count, count * (keptBytes - bytes) / keptBytes + 1))
    }

    /// What is applied and old leaves memory; what is still to be applied stays as far as the bound allows.
    private func trimTail() {
        guard tailBytes > Self.tailBytesMax else { return }
        var dropped = 0
        while tailBytes > Self.tailBytesMax / 2, dropped < tail.count - 1 {
            tailBytes -= tail[dropped].data.count
            dropped += 1
        }
        tail.removeFirst(dropped)
    }

    // MARK: Form

    private func key(_ index: RaftIndex) -> [UInt8] { Self.key(group, index) }

    static func key(_ group: LogGroup, _ index: RaftIndex) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(10)
        key.appendBigEndian(group.number)
        key.appendBigEndian(index.rawValue)
        return key
    }

    private static func header(of entry: Entry) -> [UInt8] {
        var header: [UInt8] = [format]
        header.appendLittleEndian(entry.term.rawValue)
        header.append(kind(of: entry))
        return header
    }

    private static func kind(of entry: Entry) -> UInt8 {
        switch entry.kind {
        case .normal: entry.data.isEmpty ? 2 : 1
        case .confChange: 3
        case .confChangeV2: 4
        }
    }

    private static func entry(
        key: Span<UInt8>, value: Span<UInt8>, _ group: LogGroup, _ database: Database
    ) throws(StorageError) -> Entry {
        let kinds: [UInt8: EntryKind] = [1: .normal, 2: .normal, 3: .confChange, 4: .confChangeV2]
        guard value.count >= headerBytes, value[0] == format, let kind = kinds[value[9]] else {
            throw .corruption(
                .init(path: database.path, family: .log, key: key), file: nil,
                detail: "an entry of group \(group.number) has no form that this build knows")
        }
        return Entry(
            term: Term(value.uint64LittleEndian(at: 1)), index: RaftIndex(key.uint64BigEndian(at: 2)), kind: kind,
            data: value.copyBytes(headerBytes..<value.count))
    }
}

extension RaftIndex {
    static let max = RaftIndex(.max)
}

extension HardState {
    /// Term, vote, commit index: 64 bits each, little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(term.rawValue)
        bytes.appendLittleEndian(vote.rawValue)
        bytes.appendLittleEndian(commit.rawValue)
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let term = reader.integer(UInt64.self), let vote = reader.integer(UInt64.self),
            let commit = reader.integer(UInt64.self), reader.isAtEnd
        else { return nil }
        self.init(term: Term(term), vote: ReplicaID(vote), commit: RaftIndex(commit))
    }
}

extension EntryID {
    /// Index and term: 64 bits each, little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(index.rawValue)
        bytes.appendLittleEndian(term.rawValue)
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let index = reader.integer(UInt64.self), let term = reader.integer(UInt64.self), reader.isAtEnd else {
            return nil
        }
        self.init(term: Term(term), index: RaftIndex(index))
    }
}

extension RaftLogStore {
    /// Puts an empty entry in the place of every change of configuration behind an index: for a log whose group was
    /// given another configuration by hand.
    static func emptyConfigurationChanges(
        of group: LogGroup, after index: RaftIndex, _ database: Database, _ batch: inout WriteBatch
    ) throws(StorageError) {
        var cursor = try database.cursor(.log, from: key(group, index.next), to: key(group, .max))
        try cursor.seekToFirst()
        while cursor.isValid {
            let found = try entry(key: cursor.key, value: cursor.value, group, database)
            if found.kind != .normal {
                let empty = Entry(term: found.term, index: found.index, kind: .normal, data: [])
                batch.put(.log, key: cursor.key.copyBytes(), value: header(of: empty))
            }
            try cursor.next()
        }
    }
}
