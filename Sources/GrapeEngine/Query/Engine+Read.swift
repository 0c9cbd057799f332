import GrapeModel
import GrapeStorage

extension Engine {
    /// The point as this node has applied it; nil where there is none.
    package func point(_ id: PointID, in collection: Collection) throws(GrapeError) -> Point? {
        let key = prefix(shard(of: id, in: collection.schema.id), collection.schema.id).key(of: id)
        let found = try storing { () throws(StorageError) in try PointReader(database: database).point(key) }
        return found.map { row, vectors in
            Point(
                id: WrittenID(id: id, form: row.form), vectors: collection.schema.named(vectors), payload: row.payload)
        }
    }

    /// Points and digest of a collection in a shard.
    package func digest(_ shard: ShardID, _ collection: CollectionID) throws(GrapeError) -> RowDigest {
        let key = StateKey.digest(prefix(shard, collection))
        return try storing { () throws(StorageError) in
            guard let bytes = try database.get(.state, key) else { return RowDigest() }
            guard let digest = RowDigest(encoded: bytes) else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            return digest
        }
    }

    /// Points of a collection in all shards.
    package func pointCount(_ collection: CollectionID) throws(GrapeError) -> Int {
        var count = 0
        for shard in 0..<shardCount { count += Int(try digest(ShardID(UInt16(shard)), collection).points) }
        return count
    }

    /// Bytes on disk of a shard's rows, about.
    package func rowBytes(_ shard: ShardID) throws(GrapeError) -> UInt64 {
        let from = RowKeyPrefix(shard: shard, generation: ReplicaGeneration(0), collection: CollectionID(0)).lowerBound
        let to = RowKeyPrefix(
            shard: ShardID(shard.rawValue + 1), generation: ReplicaGeneration(0), collection: CollectionID(0)
        ).lowerBound
        return try storing { () throws(StorageError) in
            try database.approximateSize(.vectors, from: from, to: to)
                + database.approximateSize(.payloads, from: from, to: to)
        }
    }
}

extension CollectionSchema {
    /// Vectors with the names that their positions stand for.
    func named(_ vectors: [PositionedVector]) -> [NamedVector] {
        vectors.compactMap { vector in
            guard Int(vector.position) < self.vectors.count else { return nil }
            return NamedVector(name: self.vectors[Int(vector.position)].name, values: vector.values)
        }
    }
}
