import GrapeModel
import GrapeStorage

/// Which shard a point belongs to: XXH64 with seed 0 over the collection's id (64 bits, big-endian) and the encoded
/// point id, modulo the number of shards. Fixed for ever.
package enum ShardHash {
    package static func shard(of id: [UInt8], in collection: CollectionID, count: Int) -> ShardID {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + id.count)
        bytes.appendBigEndian(collection.rawValue)
        bytes.append(contentsOf: id)
        return ShardID(UInt16(XXH64.hash(bytes) % UInt64(count)))
    }
}
