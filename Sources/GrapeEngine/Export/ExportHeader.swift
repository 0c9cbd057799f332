import GrapeModel
import GrapeStorage

/// What an export begins with: of which group it is, as of which entry, and what must come. docs/EXPORT_FORMAT.md has
/// the bytes.
package struct ExportHeader: Sendable, Equatable {
    /// Points of one collection in the group, and the sum of their hashes.
    package struct Digest: Sendable, Equatable {
        package let collection: CollectionID
        package let digest: RowDigest

        package init(collection: CollectionID, digest: RowDigest) {
            self.collection = collection
            self.digest = digest
        }
    }

    package static let version: UInt16 = 1
    private static let magic = Array("GRAPEEXP".utf8)
    /// Magic, version, nothing (16 bits), length of the body (32).
    static let frontBytes = 16
    /// Room for half a million collections.
    static let bodyBytesMax = 16 << 20
    private static let checksumBytes = 4

    /// 128 bits.
    package var cluster: [UInt8]
    package var group: LogGroup
    package var shardCount: UInt32
    package var epoch: ShardEpoch
    package var index: LogIndex
    package var term: UInt64
    package var fence: CatalogVersion
    /// The replicas as of `index`, in a form that consensus knows.
    package var configuration: [UInt8]
    /// Invariant: ascending collections, each with points. None of the catalog.
    package var digests: [Digest]

    package init(
        cluster: [UInt8], group: LogGroup, shardCount: UInt32, epoch: ShardEpoch, index: LogIndex, term: UInt64,
        fence: CatalogVersion, configuration: [UInt8], digests: [Digest]
    ) {
        precondition(cluster.count == 16, "a cluster's id has 128 bits")
        self.cluster = cluster
        self.group = group
        self.shardCount = shardCount
        self.epoch = epoch
        self.index = index
        self.term = term
        self.fence = fence
        self.configuration = configuration
        self.digests = digests
    }

    /// The header of what a group's state says.
    init(
        cluster: [UInt8], group: LogGroup, shardCount: UInt32, state: GroupState, digests: [Digest]
    ) {
        self.init(
            cluster: cluster, group: group, shardCount: shardCount, epoch: state.epoch, index: state.applied,
            term: state.appliedTerm, fence: state.fence, configuration: state.configuration, digests: digests)
    }

    package var points: UInt64 { digests.reduce(0) { $0 &+ $1.digest.points } }

    /// What the group's state is to be where the rows lie under this generation.
    func state(_ generation: ReplicaGeneration) -> GroupState {
        var state = GroupState()
        state.applied = index
        state.appliedTerm = term
        state.fence = fence
        state.epoch = epoch
        state.generation = generation
        state.configuration = configuration
        return state
    }

    package var encoded: [UInt8] {
        var body: [UInt8] = []
        body.append(contentsOf: cluster)
        body.appendLittleEndian(group.number)
        body.appendLittleEndian(shardCount)
        body.appendLittleEndian(epoch.rawValue)
        body.appendLittleEndian(index.rawValue)
        body.appendLittleEndian(term)
        body.appendLittleEndian(fence.rawValue)
        body.appendSized(configuration)
        body.appendLittleEndian(UInt32(digests.count))
        for one in digests {
            body.appendLittleEndian(one.collection.rawValue)
            body.append(contentsOf: one.digest.encoded)
        }
        var bytes = Self.magic
        bytes.appendLittleEndian(Self.version)
        bytes.appendLittleEndian(UInt16(0))
        bytes.appendLittleEndian(UInt32(body.count))
        bytes.append(contentsOf: body)
        bytes.appendLittleEndian(CRC32C.checksum(bytes))
        return bytes
    }

    /// Bytes of the whole header, from those that it begins with; nil where more are needed.
    static func byteCount(_ bytes: Span<UInt8>) throws(ExportError) -> Int? {
        guard bytes.count >= frontBytes else { return nil }
        guard bytes.copyBytes(0..<8) == magic else { throw .damaged(.header, "it does not begin like an export") }
        let version = bytes.uint16LittleEndian(at: 8)
        guard version == Self.version else {
            throw version > Self.version ? .newer(version: version) : .damaged(.header, "format \(version)")
        }
        guard bytes.uint16LittleEndian(at: 10) == 0 else { throw .damaged(.header, "bits set that mean nothing") }
        let body = Int(bytes.uint32LittleEndian(at: 12))
        guard body <= bodyBytesMax else { throw .damaged(.header, "\(body) bytes are more than it can have") }
        return frontBytes + body + checksumBytes
    }

    package init(encoded bytes: [UInt8]) throws(ExportError) {
        guard try Self.byteCount(bytes.span) == bytes.count else { throw .damaged(.header, "cut off, or too long") }
        let end = bytes.count - Self.checksumBytes
        guard CRC32C.checksum(Array(bytes[..<end])) == bytes.span.uint32LittleEndian(at: end) else {
            throw .damaged(.header, "the checksum differs")
        }
        var reader = ByteReader(Array(bytes[Self.frontBytes..<end]))
        guard let header = ExportHeader(reader: &reader), reader.isAtEnd else {
            throw .damaged(.header, "no form that this build knows")
        }
        guard header.isSound else { throw .damaged(.header, "its numbers can't be") }
        self = header
    }

    private init?(reader: inout ByteReader) {
        guard let cluster = reader.bytes(16), let number = reader.integer(UInt16.self),
            let shardCount = reader.integer(UInt32.self), let epoch = reader.integer(UInt32.self),
            let index = reader.integer(UInt64.self), let term = reader.integer(UInt64.self),
            let fence = reader.integer(UInt64.self), let configuration = reader.sized(),
            let count = reader.integer(UInt32.self), Int(count) <= reader.count / 24
        else { return nil }
        var digests: [Digest] = []
        for _ in 0..<count {
            guard let collection = reader.integer(UInt64.self),
                let digest = reader.bytes(16).flatMap({ RowDigest(encoded: Array($0)) })
            else { return nil }
            digests.append(Digest(collection: CollectionID(collection), digest: digest))
        }
        self.init(
            cluster: Array(cluster), group: number == LogGroup.catalog.number ? .catalog : .shard(ShardID(number)),
            shardCount: shardCount, epoch: ShardEpoch(epoch), index: LogIndex(index), term: term,
            fence: CatalogVersion(fence), configuration: Array(configuration), digests: digests)
    }

    private var isSound: Bool {
        guard (1...UInt32(UInt16.max)).contains(shardCount) else { return false }
        switch group {
        case .catalog: return digests.isEmpty
        case .shard(let shard):
            return shard.rawValue < shardCount
                && digests.allSatisfy { $0.digest.points > 0 && $0.digest.points < 1 << 48 }
                && zip(digests, digests.dropFirst()).allSatisfy { $0.collection < $1.collection }
        }
    }
}
