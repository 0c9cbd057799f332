import GrapeModel

/// Which copy of a shard's rows: a snapshot installs as a new generation, and one batch switches to it.
package struct ReplicaGeneration: Sendable, Hashable, Comparable {
    package let rawValue: UInt32

    package init(_ rawValue: UInt32) { self.rawValue = rawValue }

    package static let first = ReplicaGeneration(1)
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension ReplicaGeneration {
    /// The number alone, little-endian.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(rawValue)
        return bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let rawValue = reader.integer(UInt32.self), reader.isAtEnd else { return nil }
        self.init(rawValue)
    }
}

/// Keys of rows, the same in the families `vectors` and `payloads`:
/// shard (16 bits), generation (32), collection (64), all big-endian, then the canonical point id.
///
/// So the rows of one shard, of one generation, of one collection lie together, in the order of ids.
package struct RowKeyPrefix: Sendable, Hashable {
    package static let byteCount = 14

    package let shard: ShardID
    package let generation: ReplicaGeneration
    package let collection: CollectionID

    package init(shard: ShardID, generation: ReplicaGeneration, collection: CollectionID) {
        self.shard = shard
        self.generation = generation
        self.collection = collection
    }

    /// The first key that the collection's rows could have.
    package var lowerBound: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount + 17)
        bytes.appendBigEndian(shard.rawValue)
        bytes.appendBigEndian(generation.rawValue)
        bytes.appendBigEndian(collection.rawValue)
        return bytes
    }

    /// The first key behind the collection's rows. Collection ids stay below 2⁶⁴−1.
    package var upperBound: [UInt8] {
        RowKeyPrefix(
            shard: shard, generation: generation, collection: CollectionID(collection.rawValue + 1)
        ).lowerBound
    }

    package func key(of id: PointID) -> [UInt8] {
        var bytes = lowerBound
        id.encode(into: &bytes)
        return bytes
    }

    package func key(ofEncoded id: [UInt8]) -> [UInt8] { key(ofEncoded: id.span) }

    package func key(ofEncoded id: Span<UInt8>) -> [UInt8] {
        var bytes = lowerBound
        bytes.reserveCapacity(Self.byteCount + id.count)
        for place in id.indices { bytes.append(id[place]) }
        return bytes
    }
}
