import GrapeEngine
import GrapeModel

/// What a node's router answers another's. The first byte says which; little-endian.
package enum PeerAnswer: Sendable {
    /// One result a proposal, in their order.
    case proposed([ProposalResult])
    /// nil where there is no such point.
    case point(Point?, stalenessMilliseconds: Int)
    case found([ScoredPoint], stalenessMilliseconds: Int)
    case count(Int)
    /// It will be done, or is.
    case accepted
    /// One a shard that was asked for.
    case checks([ShardID: ReplicaStanding])
    /// Which of the replicas are there, and not trusted any more.
    case distrusted(ShardSet)
    case content(RowDigest)
    case failed(GrapeError)
    /// The node could not read the request: it is of another version.
    case unreadable

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .proposed(let results):
            bytes.append(1)
            bytes.appendLittleEndian(UInt32(results.count))
            for result in results { result.encode(into: &bytes) }
        case .point(let point, let staleness):
            bytes.append(2)
            bytes.appendLittleEndian(UInt32(clamping: staleness))
            bytes.append(point == nil ? 0 : 1)
            point?.encode(into: &bytes)
        case .found(let points, let staleness):
            bytes.append(3)
            bytes.appendLittleEndian(UInt32(clamping: staleness))
            bytes.appendLittleEndian(UInt32(points.count))
            for point in points { point.encode(into: &bytes) }
        case .failed(let error):
            bytes.append(4)
            error.encode(into: &bytes)
        case .unreadable: bytes.append(5)
        case .count(let count):
            bytes.append(6)
            bytes.appendLittleEndian(UInt64(count))
        case .accepted: bytes.append(10)
        case .checks(let standings):
            bytes.append(11)
            bytes.appendLittleEndian(UInt32(standings.count))
            for (shard, standing) in standings.sorted(by: { $0.key < $1.key }) {
                bytes.appendLittleEndian(shard.rawValue)
                standing.encode(into: &bytes)
            }
        case .distrusted(let shards):
            bytes.append(12)
            shards.encode(into: &bytes)
        case .content(let digest):
            bytes.append(7)
            bytes += digest.encoded
        }
        return bytes
    }

    /// nil where the bytes are no answer.
    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self), let answer = Self.read(kind, &reader), reader.isAtEnd else {
            return nil
        }
        self = answer
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> PeerAnswer? {
        switch kind {
        case 1: return reader.list { ProposalResult(reader: &$0) }.map(PeerAnswer.proposed)
        case 2:
            guard let staleness = reader.integer(UInt32.self), let isThere = reader.integer(UInt8.self) else {
                return nil
            }
            guard isThere == 1 else { return .point(nil, stalenessMilliseconds: Int(staleness)) }
            return Point(reader: &reader).map { .point($0, stalenessMilliseconds: Int(staleness)) }
        case 3:
            guard let staleness = reader.integer(UInt32.self), let points = reader.list({ ScoredPoint(reader: &$0) })
            else { return nil }
            return .found(points, stalenessMilliseconds: Int(staleness))
        case 4: return GrapeError(reader: &reader).map(PeerAnswer.failed)
        case 5: return .unreadable
        case 10: return .accepted
        case 11:
            let standings = reader.list { (reader: inout ByteReader) -> (ShardID, ReplicaStanding)? in
                guard let shard = reader.integer(UInt16.self), let standing = ReplicaStanding(reader: &reader) else {
                    return nil
                }
                return (ShardID(shard), standing)
            }
            return standings.map { .checks(Dictionary($0) { first, _ in first }) }
        case 12: return ShardSet(reader: &reader).map(PeerAnswer.distrusted)
        case 6: return reader.integer(UInt64.self).flatMap { $0 < 1 << 48 ? .count(Int($0)) : nil }
        case 7: return reader.bytes(16).flatMap { RowDigest(encoded: Array($0)) }.map(PeerAnswer.content)
        default: return nil
        }
    }
}

extension ProposalResult {
    fileprivate func encode(into bytes: inout [UInt8]) {
        switch self {
        case .applied(let outcome):
            bytes.append(1)
            outcome.encode(into: &bytes)
        case .notLeader(let node):
            bytes.append(2)
            bytes.appendLittleEndian(node?.rawValue ?? 0)
        case .lost: bytes.append(3)
        case .refused(let error):
            bytes.append(4)
            error.encode(into: &bytes)
        case .unknown: bytes.append(5)
        }
    }

    fileprivate init?(reader: inout ByteReader) {
        switch reader.integer(UInt8.self) {
        case 1:
            guard let outcome = ApplyOutcome(reader: &reader) else { return nil }
            self = .applied(outcome)
        case 2:
            guard let node = reader.integer(UInt32.self) else { return nil }
            self = .notLeader(node == 0 ? nil : NodeNumber(node))
        case 3: self = .lost
        case 4:
            guard let error = GrapeError(reader: &reader) else { return nil }
            self = .refused(error)
        case 5: self = .unknown
        default: return nil
        }
    }
}

extension GrapeError {
    /// Code and message as texts, seconds to wait (32 bits, all ones for none).
    func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(code.rawValue.utf8)
        bytes.appendSized(message.utf8)
        bytes.appendLittleEndian(retryAfterSeconds.map { UInt32(clamping: $0) } ?? .max)
    }

    init?(reader: inout ByteReader) {
        guard let code = reader.text().flatMap(Code.init(rawValue:)), let message = reader.text(),
            let seconds = reader.integer(UInt32.self)
        else { return nil }
        self.init(code, message, retryAfterSeconds: seconds == .max ? nil : Int(seconds))
    }
}
