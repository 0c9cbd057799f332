import GrapeEngine
import GrapeModel

/// What one node's router asks another's. Bodies begin with a byte of 0x01 to 0x0f; then, little-endian, the
/// milliseconds that the answer may take (32 bits) and the fields below.
package enum PeerRequest: Sendable {
    /// Group number (16 bits) and entry of each proposal.
    case propose([Proposal])
    /// A point by collection and id, read by a replica that is up to date (`strong`) or as it is.
    case point(CollectionID, PointID, Consistency)
    /// A search in some shards of a collection.
    case search(CollectionID, ShardSet, SearchRequest)
    /// A change of a group's configuration, encoded as the log has it.
    case changeConfiguration(LogGroup, [UInt8])
    /// How many points of a collection are in these shards.
    case count(CollectionID, ShardSet)
    /// Points of a collection in a shard and the sum of their content hashes, read from the rows.
    case content(CollectionID, ShardID)
    /// Leadership of a group is to go to a replica.
    case transferLeadership(LogGroup, to: UInt64)
    /// Entries of a consistency check of these shards are about to come, in a form that the other node must know.
    case announceCheck(UInt64, deep: Bool, ShardSet)
    /// What the replicas of these shards say to a check.
    case checkResults(UInt64, ShardSet)
    /// The replicas of these serials can't be trusted, for the reason given: they are to be set aside and made anew.
    case distrust([ShardID: UInt32], reason: String)
}

extension PeerRequest {
    package static let kinds: ClosedRange<UInt8> = 0x01...0x0f

    package func encoded(timeoutMilliseconds: UInt32) -> [UInt8] {
        var bytes: [UInt8] = [kind]
        bytes.appendLittleEndian(timeoutMilliseconds)
        switch self {
        case .propose(let proposals):
            bytes.reserveCapacity(proposals.reduce(16) { $0 + 6 + $1.entry.count })
            bytes.appendLittleEndian(UInt32(proposals.count))
            for proposal in proposals {
                bytes.appendLittleEndian(proposal.group.number)
                bytes.appendSized(proposal.entry)
            }
        case .point(let collection, let id, let consistency):
            bytes.appendLittleEndian(collection.rawValue)
            bytes.appendSized(id.encoded)
            bytes.append(consistency == .strong ? 1 : 0)
        case .search(let collection, let shards, let request):
            bytes.appendLittleEndian(collection.rawValue)
            shards.encode(into: &bytes)
            request.encode(into: &bytes)
        case .count(let collection, let shards):
            bytes.appendLittleEndian(collection.rawValue)
            shards.encode(into: &bytes)
        case .content(let collection, let shard):
            bytes.appendLittleEndian(collection.rawValue)
            bytes.appendLittleEndian(shard.rawValue)
        case .changeConfiguration(let group, let change):
            bytes.appendLittleEndian(group.number)
            bytes.appendSized(change)
        case .transferLeadership(let group, let replica):
            bytes.appendLittleEndian(group.number)
            bytes.appendLittleEndian(replica)
        case .announceCheck(let id, let isDeep, let shards):
            bytes.appendLittleEndian(id)
            bytes.append(isDeep ? 1 : 0)
            shards.encode(into: &bytes)
        case .checkResults(let id, let shards):
            bytes.appendLittleEndian(id)
            shards.encode(into: &bytes)
        case .distrust(let replicas, let reason):
            bytes.appendLittleEndian(UInt32(replicas.count))
            for (shard, serial) in replicas.sorted(by: { $0.key < $1.key }) {
                bytes.appendLittleEndian(shard.rawValue)
                bytes.appendLittleEndian(serial)
            }
            bytes.appendSized(reason.utf8)
        }
        return bytes
    }

    private static let proposeKind: UInt8 = 0x01

    /// Whether the bytes are proposals so few that they can be answered on an event loop.
    static func isShortWrite(_ bytes: [UInt8]) -> Bool {
        bytes.first == proposeKind && bytes.count <= LoopExecutor.writeBytesMax
    }

    private var kind: UInt8 {
        switch self {
        case .propose: Self.proposeKind
        case .point: 0x02
        case .search: 0x03
        case .changeConfiguration: 0x04
        case .transferLeadership: 0x05
        case .count: 0x06
        case .announceCheck: 0x0a
        case .checkResults: 0x0b
        case .distrust: 0x0c
        case .content: 0x07
        }
    }

    /// The request and its milliseconds; nil where the bytes are none that this build knows.
    package static func decode(_ bytes: [UInt8]) -> (request: PeerRequest, timeoutMilliseconds: UInt32)? {
        var reader = ByteReader(bytes)
        guard let kind = reader.integer(UInt8.self), let timeout = reader.integer(UInt32.self),
            let request = read(kind, &reader), reader.isAtEnd
        else { return nil }
        return (request, timeout)
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> PeerRequest? {
        switch kind {
        case proposeKind:
            return reader.list { reader in
                guard let group = reader.integer(UInt16.self), let entry = reader.sized() else { return nil }
                return Proposal(group: LogGroup(number: group), entry: Array(entry))
            }.map(PeerRequest.propose)
        case 0x02:
            guard let collection = reader.integer(UInt64.self), let id = reader.sized().flatMap(PointID.init(encoded:)),
                let isStrong = reader.integer(UInt8.self)
            else { return nil }
            return .point(CollectionID(collection), id, isStrong == 1 ? .strong : .eventual)
        case 0x03:
            guard let collection = reader.integer(UInt64.self), let shards = ShardSet(reader: &reader),
                let request = SearchRequest(reader: &reader)
            else { return nil }
            return .search(CollectionID(collection), shards, request)
        case 0x04:
            guard let group = reader.integer(UInt16.self), let change = reader.sized() else { return nil }
            return .changeConfiguration(LogGroup(number: group), Array(change))
        case 0x05:
            guard let group = reader.integer(UInt16.self), let replica = reader.integer(UInt64.self) else { return nil }
            return .transferLeadership(LogGroup(number: group), to: replica)
        case 0x06:
            guard let collection = reader.integer(UInt64.self), let shards = ShardSet(reader: &reader) else {
                return nil
            }
            return .count(CollectionID(collection), shards)
        case 0x07:
            guard let collection = reader.integer(UInt64.self), let shard = reader.integer(UInt16.self) else {
                return nil
            }
            return .content(CollectionID(collection), ShardID(shard))
        default: return readOfConsistency(kind, &reader)
        }
    }

    private static func readOfConsistency(_ kind: UInt8, _ reader: inout ByteReader) -> PeerRequest? {
        switch kind {
        case 0x0a:
            guard let id = reader.integer(UInt64.self), let isDeep = reader.integer(UInt8.self),
                let shards = ShardSet(reader: &reader)
            else { return nil }
            return .announceCheck(id, deep: isDeep == 1, shards)
        case 0x0b:
            guard let id = reader.integer(UInt64.self), let shards = ShardSet(reader: &reader) else { return nil }
            return .checkResults(id, shards)
        case 0x0c:
            let replicas = reader.list { (reader: inout ByteReader) -> (ShardID, UInt32)? in
                guard let shard = reader.integer(UInt16.self), let serial = reader.integer(UInt32.self) else {
                    return nil
                }
                return (ShardID(shard), serial)
            }
            guard let replicas, let reason = reader.text() else { return nil }
            return .distrust(Dictionary(replicas) { first, _ in first }, reason: reason)
        default: return nil
        }
    }
}

extension LogGroup {
    package init(number: UInt16) {
        self = number == .max ? .catalog : .shard(ShardID(number))
    }
}
