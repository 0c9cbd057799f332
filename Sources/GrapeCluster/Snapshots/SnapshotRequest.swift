import GrapeEngine
import GrapeModel
import GrapeRaft

/// What the sender of a snapshot asks the receiver. Little-endian; the first byte names the kind.
enum SnapshotRequest: Sendable, Equatable {
    /// 20: group (16), the replica that leads (64) and the one that is to be renewed (64), the leader's term (64), header of
    /// the export.
    case begin(LogGroup, from: ReplicaID, to: ReplicaID, term: Term, header: [UInt8])
    /// 21: group (16), the replica that is to be renewed (64), id of the export (64), number of the block (32), the block.
    case block(LogGroup, to: ReplicaID, export: ExportID, number: UInt32, [UInt8])

    static let kinds: ClosedRange<UInt8> = beginKind...blockKind
    private static let beginKind: UInt8 = 0x20
    private static let blockKind: UInt8 = 0x21

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .begin(let group, let from, let to, let term, let header):
            bytes.append(Self.beginKind)
            bytes.appendLittleEndian(group.number)
            bytes.appendLittleEndian(from.rawValue)
            bytes.appendLittleEndian(to.rawValue)
            bytes.appendLittleEndian(term.rawValue)
            bytes.append(contentsOf: header)
        case .block(let group, let to, let export, let number, let block):
            bytes.reserveCapacity(23 + block.count)
            bytes.append(Self.blockKind)
            bytes.appendLittleEndian(group.number)
            bytes.appendLittleEndian(to.rawValue)
            bytes.appendLittleEndian(export.rawValue)
            bytes.appendLittleEndian(number)
            bytes.append(contentsOf: block)
        }
        return bytes
    }

    /// nil where the bytes are no such request.
    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self), let number = reader.integer(UInt16.self),
            let first = reader.integer(UInt64.self), let second = reader.integer(UInt64.self)
        else { return nil }
        let group = number == LogGroup.catalog.number ? LogGroup.catalog : .shard(ShardID(number))
        switch kind {
        case Self.beginKind:
            guard let term = reader.integer(UInt64.self), let header = reader.bytes(reader.count) else { return nil }
            self = .begin(
                group, from: ReplicaID(first), to: ReplicaID(second), term: Term(term), header: Array(header))
        case Self.blockKind:
            guard let number = reader.integer(UInt32.self), let block = reader.bytes(reader.count) else { return nil }
            self = .block(
                group, to: ReplicaID(first), export: ExportID(rawValue: second), number: number, Array(block))
        default: return nil
        }
    }
}

/// Names one export: a hash of its header.
struct ExportID: Sendable, Hashable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// What the receiver answers.
enum SnapshotAnswer: Sendable, Equatable {
    /// 20: blocks that are here (32); go on behind them.
    case held(UInt32)
    /// 21: not now.
    case busy
    /// 22: not at all, with the reason.
    case refused(String)
    /// 23: all is here and was taken.
    case installed
    /// 24: nothing was begun of that; begin.
    case unknown

    private static let reasonBytesMax = 1_024

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .held(let count):
            bytes.append(0x20)
            bytes.appendLittleEndian(count)
        case .busy: bytes.append(0x21)
        case .refused(let reason):
            bytes.append(0x22)
            bytes.append(contentsOf: reason.utf8.prefix(Self.reasonBytesMax))
        case .installed: bytes.append(0x23)
        case .unknown: bytes.append(0x24)
        }
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        switch (reader.integer(UInt8.self), bytes.count) {
        case (0x20, 5): self = .held(reader.integer(UInt32.self) ?? 0)
        case (0x21, 1): self = .busy
        case (0x22, 1...(1 + Self.reasonBytesMax)): self = .refused(String(decoding: bytes.dropFirst(), as: UTF8.self))
        case (0x23, 1): self = .installed
        case (0x24, 1): self = .unknown
        default: return nil
        }
    }
}
