import GrapeEngine
import GrapeModel
import GrapeRaft

// Messages of Raft's on the wire, little-endian.
//
// Message: group (16 bits), kind (8), flags (8: 1 reject, 2 transfer, 4 snapshot, 8 entries), from, to, term, log term, index, commit
// (64 each), vote, rejectHint, context (64 each, only where flag 16 says that one of them is not zero); a snapshot is term, index
// (64 each) and the configuration with its length; entries are their count (32), then of each term, kind (8), data with its
// length. Indexes of entries follow from the message's: they are in a row.
extension GroupMessage {
    package func encode(into bytes: inout [UInt8]) {
        let hasRest = message.vote != .none || message.rejectHint != .zero || message.context != 0
        var flags: UInt8 = (message.reject ? 1 : 0) | (message.isTransfer ? 2 : 0)
        flags |= (message.snapshot == nil ? 0 : 4) | (message.entries.isEmpty ? 0 : 8) | (hasRest ? 16 : 0)
        bytes.appendLittleEndian(group.number)
        bytes.append(message.kind.rawValue)
        bytes.append(flags)
        bytes.appendLittleEndian(message.from.rawValue)
        bytes.appendLittleEndian(message.to.rawValue)
        bytes.appendLittleEndian(message.term.rawValue)
        bytes.appendLittleEndian(message.logTerm.rawValue)
        bytes.appendLittleEndian(message.index.rawValue)
        bytes.appendLittleEndian(message.commit.rawValue)
        if hasRest {
            bytes.appendLittleEndian(message.vote.rawValue)
            bytes.appendLittleEndian(message.rejectHint.rawValue)
            bytes.appendLittleEndian(message.context)
        }
        if let snapshot = message.snapshot {
            bytes.appendLittleEndian(snapshot.term.rawValue)
            bytes.appendLittleEndian(snapshot.index.rawValue)
            bytes.appendSized(snapshot.confState.encoded)
        }
        if !message.entries.isEmpty { encodeEntries(into: &bytes) }
    }

    private func encodeEntries(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(message.entries.count))
        bytes.appendLittleEndian(message.entries[0].index.rawValue)
        for entry in message.entries {
            bytes.appendLittleEndian(entry.term.rawValue)
            bytes.append(entry.kind.rawValue)
            bytes.appendSized(entry.data)
        }
    }

    /// nil where the bytes are no message that another node may send.
    package init?(reader: inout ByteReader) {
        guard let group = reader.integer(UInt16.self), let kind = reader.integer(UInt8.self).flatMap(MessageKind.init),
            !kind.isLocal, let flags = reader.integer(UInt8.self), let from = reader.integer(UInt64.self),
            let to = reader.integer(UInt64.self), let term = reader.integer(UInt64.self),
            let logTerm = reader.integer(UInt64.self), let index = reader.integer(UInt64.self),
            let commit = reader.integer(UInt64.self)
        else { return nil }
        var message = Message(
            kind, from: ReplicaID(from), to: ReplicaID(to), term: Term(term), logTerm: Term(logTerm),
            index: RaftIndex(index), commit: RaftIndex(commit), reject: flags & 1 != 0, isTransfer: flags & 2 != 0)
        if flags & 16 != 0 {
            guard let vote = reader.integer(UInt64.self), let hint = reader.integer(UInt64.self),
                let context = reader.integer(UInt64.self)
            else { return nil }
            message.vote = ReplicaID(vote)
            message.rejectHint = RaftIndex(hint)
            message.context = context
        }
        if flags & 4 != 0 {
            guard let snapshot = GrapeRaft.Snapshot(reader: &reader) else { return nil }
            message.snapshot = snapshot
        }
        if flags & 8 != 0 {
            guard let entries = Self.entries(&reader) else { return nil }
            message.entries = entries
        }
        self.init(group: LogGroup(number: group), message: message)
    }

    private static func entries(_ reader: inout ByteReader) -> [Entry]? {
        guard let count = reader.integer(UInt32.self), Int(count) <= reader.count,
            let first = reader.integer(UInt64.self), first <= GrapeRaft.Limits.indexMax.rawValue
        else { return nil }
        var entries: [Entry] = []
        for place in 0..<UInt64(count) {
            guard let term = reader.integer(UInt64.self), let kind = reader.integer(UInt8.self).flatMap(EntryKind.init),
                let data = reader.sized()
            else { return nil }
            entries.append(Entry(term: Term(term), index: RaftIndex(first + place), kind: kind, data: Array(data)))
        }
        return entries
    }
}

extension GrapeRaft.Snapshot {
    fileprivate init?(reader: inout ByteReader) {
        guard let term = reader.integer(UInt64.self), let index = reader.integer(UInt64.self),
            let state = reader.sized().flatMap({ ConfState(encoded: Array($0)) })
        else { return nil }
        self.init(term: Term(term), index: RaftIndex(index), confState: state)
    }
}

extension [GroupMessage] {
    /// Count (32 bits), then the messages.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            reduce(4) { sum, message in message.message.entries.reduce(sum + 96) { $0 + 16 + $1.data.count } })
        bytes.appendLittleEndian(UInt32(count))
        for message in self { message.encode(into: &bytes) }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let messages = reader.list({ GroupMessage(reader: &$0) }), reader.isAtEnd else { return nil }
        self = messages
    }
}
