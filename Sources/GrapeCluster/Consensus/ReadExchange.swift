import GrapeEngine
import GrapeModel
import GrapeRaft

/// What nodes say to each other so that strong reads are fresh (RAFT.md 11, DESIGN D7): one question to each other node
/// for all groups at once, and one answer.
package enum ReadExchange: Sendable, Hashable {
    case ask(round: UInt64, [LogGroup])
    case answer(round: UInt64, [Standing])

    /// How a replica stood at a moment between question and answer.
    package struct Standing: Sendable, Hashable {
        package var group: LogGroup
        package var replica: ReplicaID
        package var term: Term
        /// nil where the replica does not lead, or has committed nothing in its term yet (RAFT.md 10).
        package var lead: Lead?
    }

    package struct Lead: Sendable, Hashable {
        package var commit: RaftIndex
        package var configuration: EncodedConfState
    }
}

extension ReadExchange {
    private static let askKind: UInt8 = 1
    private static let answerKind: UInt8 = 2

    /// Kind (8 bits), round (64), count (32), then groups (16) or standings: group (16), replica, term (64 each), whether
    /// it leads (8); if so commit index (64) and configuration with its length. Little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .ask(let round, let groups):
            bytes.reserveCapacity(16 + 2 * groups.count)
            bytes.append(Self.askKind)
            bytes.appendLittleEndian(round)
            bytes.appendLittleEndian(UInt32(groups.count))
            for group in groups { bytes.appendLittleEndian(group.number) }
        case .answer(let round, let standings):
            bytes.reserveCapacity(16 + 100 * standings.count)
            bytes.append(Self.answerKind)
            bytes.appendLittleEndian(round)
            bytes.appendLittleEndian(UInt32(standings.count))
            for standing in standings { standing.encode(into: &bytes) }
        }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self), let round = reader.integer(UInt64.self) else { return nil }
        switch kind {
        case Self.askKind:
            guard let groups = reader.list({ $0.integer(UInt16.self).map(LogGroup.init(number:)) }) else { return nil }
            self = .ask(round: round, groups)
        case Self.answerKind:
            guard let standings = reader.list({ Standing(reader: &$0) }) else { return nil }
            self = .answer(round: round, standings)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }
}

extension ReadExchange.Standing {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(group.number)
        bytes.appendLittleEndian(replica.rawValue)
        bytes.appendLittleEndian(term.rawValue)
        bytes.append(lead == nil ? 0 : 1)
        if let lead {
            bytes.appendLittleEndian(lead.commit.rawValue)
            bytes.appendSized(lead.configuration.bytes)
        }
    }

    fileprivate init?(reader: inout ByteReader) {
        guard let group = reader.integer(UInt16.self), let replica = reader.integer(UInt64.self),
            let term = reader.integer(UInt64.self), let leads = reader.integer(UInt8.self), leads <= 1
        else { return nil }
        var lead: ReadExchange.Lead?
        if leads == 1 {
            guard let commit = reader.integer(UInt64.self),
                let configuration = reader.sized().map({ EncodedConfState(bytes: Array($0)) })
            else { return nil }
            lead = ReadExchange.Lead(commit: RaftIndex(commit), configuration: configuration)
        }
        self.init(group: LogGroup(number: group), replica: ReplicaID(replica), term: Term(term), lead: lead)
    }
}
