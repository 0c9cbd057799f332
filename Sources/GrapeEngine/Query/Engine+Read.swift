import GrapeModel
import GrapeStorage

extension Engine {
    /// The point as this node has applied it; nil where there is none.
    package func point(_ id: PointID, in collection: Collection) throws(GrapeError) -> Point? {
        let shard = shard(of: id, in: collection.schema.id)
        let found = try whileServed(ShardSet([shard])) { () throws(GrapeError) in
            let key = prefix(shard, collection.schema.id).key(of: id)
            return try storing { () throws(StorageError) in try PointReader(database: database).point(key) }
        }
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
        guard let shards else { return try countedPoints(collection, servedShards) }
        return try whileServed(shards) { () throws(GrapeError) in try countedPoints(collection, shards) }
    }

    private func countedPoints(_ collection: CollectionID, _ shards: ShardSet) throws(GrapeError) -> Int {
        var count = 0
        for shard in shards.sorted { count += Int(try digest(shard, collection).points) }
        return count
    }

    /// Who asks for certain shards goes by what it knew of this node, which may be the past: they must be answered for when a
    /// reading begins and when it has ended, from the same rows. Of rows that go meanwhile it may find any part.
    func whileServed<Value>(
        _ shards: ShardSet, _ body: () throws(GrapeError) -> Value
    ) throws(GrapeError) -> Value {
        let before = try servedGenerations(shards)
        let result = Result { () throws(GrapeError) in try body() }
        let after = try servedGenerations(shards)
        guard before != after,
            let gone = shards.sorted.first(where: { before[Int($0.rawValue)] != after[Int($0.rawValue)] })
        else { return try result.get() }
        throw Self.unserved(gone)
    }

    /// The generation of each shard there is; throws where one of these is not answered for.
    private func servedGenerations(_ shards: ShardSet) throws(GrapeError) -> [ReplicaGeneration] {
        let (served, generations) = serving.withLock { ($0.served, $0.generations) }
        if shards.isSubset(of: served) { return generations }
        throw Self.unserved(shards.sorted.first { !served.contains($0) } ?? ShardID(0))
    }

    private static func unserved(_ shard: ShardID) -> GrapeError {
        GrapeError(.unavailable, "this node doesn't answer for shard \(shard) now", retryAfterSeconds: 1)
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
