import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// What a replica has promised to others: the vote it gave and the last entry it acknowledged.
package struct Acknowledgement: Sendable, Hashable {
    package var replica: ReplicaID
    package var term: Term
    package var vote: ReplicaID
    package var last: EntryID

    package init(replica: ReplicaID, term: Term, vote: ReplicaID, last: EntryID) {
        self.replica = replica
        self.term = term
        self.vote = vote
        self.last = last
    }

    /// Whether a log and state that were found at the start can be the ones that made this promise (RAFT.md 7). They
    /// may be ahead of it, as it is written after them, but never behind. Where the log begins (`base`) everything
    /// before is committed, whatever was promised there.
    package func isKept(by hardState: HardState, base: EntryID, last found: EntryID) -> Bool {
        if base.index < last.index, (found.term, found.index) < (last.term, last.index) { return false }
        if hardState.term != term { return hardState.term > term }
        return vote == .none || hardState.vote == vote
    }
}

/// The file `acknowledged`: promises of all groups, apart from the database, so that a database that lost its end is
/// found out (RAFT.md 7).
///
/// It is written only after the sync of the log that covers a promise, so it never runs ahead of the log; before a vote
/// leaves it is synced, for appended entries a moment later (`sync` at the latest every 100 ms).
///
/// Record, little-endian: group 16 bits, replica 64, term 64, vote 64, term of the last entry 64, its index 64. Each
/// group has the place in which it first came.
///
/// Thread safety: owned by the sync thread.
package final class AcknowledgedFile {
    private static let recordBytes = 42
    /// All groups that there can be.
    private static let recordsMax = 1 << 16

    private let file: SlotFile
    private var positions: [LogGroup: Int] = [:]
    /// What the file held when it was opened.
    package let found: [LogGroup: Acknowledgement]
    private var needsSync = false

    /// Opens the file of a data directory, or makes it.
    package init(directory: String) throws(StorageError) {
        var records: [Int: [UInt8]] = [:]
        file = try SlotFile(
            path: directory + "/acknowledged", recordBytes: Self.recordBytes, recordsMax: Self.recordsMax,
            records: &records)
        var found: [LogGroup: Acknowledgement] = [:]
        for (position, record) in records {
            guard let (group, acknowledgement) = Self.decode(record) else { continue }
            positions[group] = position
            found[group] = acknowledgement
        }
        self.found = found
    }

    /// Notes promises that a sync of the log has made good.
    package func write(_ acknowledgements: [LogGroup: Acknowledgement]) throws(StorageError) {
        for (group, acknowledgement) in acknowledgements {
            // Places may have holes: records that were spoiled.
            let position = positions[group] ?? (positions.values.max() ?? -1) + 1
            positions[group] = position
            try file.write(Self.encode(group, acknowledgement), at: position)
            needsSync = true
        }
    }

    package func sync() throws(StorageError) {
        guard needsSync else { return }
        try file.sync()
        needsSync = false
    }

    private static func encode(_ group: LogGroup, _ value: Acknowledgement) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(recordBytes)
        bytes.appendLittleEndian(group.number)
        bytes.appendLittleEndian(value.replica.rawValue)
        bytes.appendLittleEndian(value.term.rawValue)
        bytes.appendLittleEndian(value.vote.rawValue)
        bytes.appendLittleEndian(value.last.term.rawValue)
        bytes.appendLittleEndian(value.last.index.rawValue)
        return bytes
    }

    private static func decode(_ bytes: [UInt8]) -> (LogGroup, Acknowledgement)? {
        var reader = ByteReader(bytes)
        guard let group = reader.integer(UInt16.self), let replica = reader.integer(UInt64.self),
            let term = reader.integer(UInt64.self), let vote = reader.integer(UInt64.self),
            let lastTerm = reader.integer(UInt64.self), let lastIndex = reader.integer(UInt64.self)
        else { return nil }
        return (
            group == .max ? .catalog : .shard(ShardID(group)),
            Acknowledgement(
                replica: ReplicaID(replica), term: Term(term), vote: ReplicaID(vote),
                last: EntryID(term: Term(lastTerm), index: RaftIndex(lastIndex)))
        )
    }
}
