import GrapeModel

/// Keys of the family `state`: a tag, then numbers in big-endian. (Tags from 0xF0 belong to the storage layer.)
package enum StateKey {
    /// What the data directory was made with: `NodeIdentity`.
    package static let identity: [UInt8] = [0x00]

    /// How far a group has come: `GroupState`.
    package static func group(_ group: LogGroup) -> [UInt8] {
        var key: [UInt8] = [0x01]
        key.appendBigEndian(group.number)
        return key
    }

    /// Points and digest of a collection in a shard's generation: `RowDigest`.
    package static func digest(_ prefix: RowKeyPrefix) -> [UInt8] {
        [0x02] + prefix.lowerBound
    }

    /// All digests of a shard's generation lie between these.
    package static func digests(_ shard: ShardID, _ generation: ReplicaGeneration) -> (from: [UInt8], to: [UInt8]) {
        var from: [UInt8] = [0x02]
        from.appendBigEndian(shard.rawValue)
        var to = from
        from.appendBigEndian(generation.rawValue)
        to.appendBigEndian(generation.rawValue + 1)
        return (from, to)
    }

    /// What a write under an idempotency key came to.
    package static func remembered(_ shard: ShardID, _ generation: ReplicaGeneration, key: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x03]
        bytes.appendBigEndian(shard.rawValue)
        bytes.appendBigEndian(generation.rawValue)
        return bytes + key
    }

    /// Idempotency keys in the order in which they came, to forget the oldest.
    package static func rememberedOrder(
        _ shard: ShardID, _ generation: ReplicaGeneration, index: LogIndex
    ) -> [UInt8] {
        var bytes: [UInt8] = [0x04]
        bytes.appendBigEndian(shard.rawValue)
        bytes.appendBigEndian(generation.rawValue)
        bytes.appendBigEndian(index.rawValue)
        return bytes
    }

    /// What a router's open writes came to: `OriginWindow`.
    package static func origins(
        _ shard: ShardID, _ generation: ReplicaGeneration, incarnation: UInt64
    ) -> [UInt8] {
        var bytes = inGeneration(0x07, shard, generation)
        bytes.appendBigEndian(incarnation)
        return bytes
    }

    /// All rows of origins of a shard's generation lie between these.
    package static func origins(_ shard: ShardID, _ generation: ReplicaGeneration) -> (from: [UInt8], to: [UInt8]) {
        (inGeneration(0x07, shard, generation), inGeneration(0x07, shard, ReplicaGeneration(generation.rawValue + 1)))
    }

    /// A piece of a command that is not complete.
    package static func piece(
        _ shard: ShardID, _ generation: ReplicaGeneration, incarnation: UInt64, sequence: UInt64, number: Int
    ) -> [UInt8] {
        var bytes = inGeneration(0x08, shard, generation)
        bytes.appendBigEndian(incarnation)
        bytes.appendBigEndian(sequence)
        bytes.appendBigEndian(UInt32(number))
        return bytes
    }

    /// What a shard's generations below this one have in this family lies in these ranges.
    package static func generations(
        of shard: ShardID, from first: ReplicaGeneration = ReplicaGeneration(0), below generation: ReplicaGeneration
    ) -> [(from: [UInt8], to: [UInt8])] {
        ([0x02, 0x03, 0x04, 0x07, 0x08] as [UInt8]).map { tag in
            (inGeneration(tag, shard, first), inGeneration(tag, shard, generation))
        }
    }

    /// The newest generation of a shard that was ever used on this node.
    package static func newestGeneration(_ shard: ShardID) -> [UInt8] { numbered(0x0c, .shard(shard)) }

    /// A replica of a shard that was set aside: `Quarantine`.
    package static func quarantine(_ shard: ShardID) -> [UInt8] { numbered(0x0d, .shard(shard)) }

    private static func inGeneration(_ tag: UInt8, _ shard: ShardID, _ generation: ReplicaGeneration) -> [UInt8] {
        var bytes = [tag]
        bytes.appendBigEndian(shard.rawValue)
        bytes.appendBigEndian(generation.rawValue)
        return bytes
    }

    /// Term, vote and commit index of this node's replica of a group.
    package static func hardState(_ group: LogGroup) -> [UInt8] { numbered(0x05, group) }

    /// Index and term of the entry before the first one that a group's log keeps.
    package static func logBase(_ group: LogGroup) -> [UInt8] { numbered(0x06, group) }

    /// Who this node is in its cluster.
    package static let member: [UInt8] = [0x09]

    /// This node's replica of a group.
    package static func replica(_ group: LogGroup) -> [UInt8] { numbered(0x0a, group) }

    private static func numbered(_ tag: UInt8, _ group: LogGroup) -> [UInt8] {
        var key = [tag]
        key.appendBigEndian(group.number)
        return key
    }
}

/// Keys of the family `catalog`.
package enum CatalogKey {
    /// The catalog's version and the next collection id, 64 bits each.
    package static let head: [UInt8] = [0x00]

    package static func entry(_ id: CollectionID) -> [UInt8] {
        var key: [UInt8] = [0x01]
        key.appendBigEndian(id.rawValue)
        return key
    }

    /// Members and placement: `ClusterLayout`.
    package static let layout: [UInt8] = [0x02]

    /// All entries lie between these.
    package static let entries: (from: [UInt8], to: [UInt8]) = ([0x01], [0x02])
}
