import GrapeEngine
import GrapeModel
import GrapeStorage

/// Log entries of all groups in the family `log`.
///
/// Key: group (16 bits), index (64), big-endian. Value, little-endian: format (8 bits), term (64, 0 where no Raft gave
/// one), kind (8: 1 a command), then the entry's bytes.
struct LogStore: Sendable {
    private static let format: UInt8 = 1
    private static let command: UInt8 = 1
    private static let headerBytes = 10

    let database: Database

    static func key(_ group: LogGroup, _ index: LogIndex) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(10)
        key.appendBigEndian(group.number)
        key.appendBigEndian(index.rawValue)
        return key
    }

    static func append(_ entry: CommittedEntry, to batch: inout WriteBatch) {
        guard case .command(let bytes) = entry.content else { preconditionFailure("the local log takes commands only") }
        var header: [UInt8] = [format]
        header.appendLittleEndian(UInt64(0))
        header.append(command)
        let key = key(entry.group, entry.index)
        unsafe batch.put(.log, key: key.span.bytes, header: header.span.bytes, body: bytes.span.bytes)
    }

    /// Drops the entries up to and with `last`, and the files that hold nothing else.
    func dropEntries(of group: LogGroup, through last: LogIndex) throws(StorageError) {
        try database.dropRange(.log, from: Self.key(group, LogIndex(0)), to: Self.key(group, last.next))
    }

    /// Index of the group's last entry; nil where the log holds none.
    func lastIndex(of group: LogGroup) throws(StorageError) -> LogIndex? {
        var cursor = try database.cursor(
            .log, from: Self.key(group, LogIndex(0)), to: Self.key(group, LogIndex(.max)))
        try cursor.seekToLast()
        guard cursor.isValid else { return nil }
        return LogIndex(cursor.key.uint64BigEndian(at: 2))
    }

    /// Entries behind `index`, in order, as many as fit in the bytes (at least one).
    func entries(
        of group: LogGroup, after index: LogIndex, bytesMax: Int
    ) throws(StorageError) -> [CommittedEntry] {
        var entries: [CommittedEntry] = []
        var bytes = 0
        var cursor = try database.cursor(
            .log, from: Self.key(group, index.next), to: Self.key(group, LogIndex(.max)))
        try cursor.seekToFirst()
        while cursor.isValid, bytes < bytesMax {
            let found = LogIndex(cursor.key.uint64BigEndian(at: 2))
            guard let entry = Self.entryBytes(cursor.value) else {
                throw .corruption(
                    .init(path: database.path, family: .log, key: cursor.key), file: nil,
                    detail: "entry \(found) of group \(group.number) has no form that this build knows")
            }
            entries.append(CommittedEntry(group: group, index: found, term: 0, content: .command(entry)))
            bytes += entry.count
            try cursor.next()
        }
        return entries
    }

    private static func entryBytes(_ value: Span<UInt8>) -> [UInt8]? {
        guard value.count >= headerBytes, value[0] == format, value[9] == command else { return nil }
        return value.copyBytes(headerBytes..<value.count)
    }
}
