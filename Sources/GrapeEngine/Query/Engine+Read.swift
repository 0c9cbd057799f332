import GrapeModel
import GrapeStorage

extension Engine {
    /// The point as this node has applied it; nil where there is none.
    package func point(_ id: PointID, in collection: Collection) throws(GrapeError) -> Point? {
        let shard = shard(of: id, in: collection.schema.id)
        try checkServed(ShardSet([shard]))
        let key = prefix(shard, collection.schema.id).key(of: id)
        let found = try storing { () throws(StorageError) in try PointReader(database: database).point(key) }
        return found.map { row, vectors in
            Point(
                id: WrittenID(id: id, form: row.form), vectors: collection.schema.named(vectors), payload: row.payload)
        }
    }

    /// Points and digest of a collection in a shard; of none where the shard isn't held.
    package func digest(_ shard: ShardID, _ collection: CollectionID) throws(GrapeError) -> RowDigest {
        try storing { () throws(StorageError) in try RowDigest.read(prefix(shard, collection), database) }
    }

    /// Points of a collection in these shards, or in all that this node answers for.
    package func pointCount(_ collection: CollectionID, shards: ShardSet? = nil) throws(GrapeError) -> Int {
        if let shards { try checkServed(shards) }
        var count = 0
        for shard in (shards ?? servedShards).sorted { count += Int(try digest(shard, collection).points) }
        return count
    }

    /// Who asks for certain shards goes by what it knew of this node, which may be the past.
    func checkServed(_ shards: ShardSet) throws(GrapeError) {
        let served = servedShards
        guard let missing = shards.sorted.first(where: { !served.contains($0) }) else { return }
        throw GrapeError(.unavailable, "this node doesn't answer for shard \(missing) now", retryAfterSeconds: 1)
    }

    /// Bytes on disk of a shard's rows, about.
    package func rowBytes(_ shard: ShardID) throws(GrapeError) -> UInt64 {
        let from = RowKeyPrefix(shard: shard, generation: ReplicaGeneration(0), collection: CollectionID(0)).lowerBound
        let to = RowKeyPrefix(
            shard: shard, generation: ReplicaGeneration(.max), collection: CollectionID(.max)
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
