import GrapeModel
import GrapeStorage

extension Engine {
    /// Points of a collection in a shard and the sum of their content hashes, from the rows themselves. Takes as long as
    /// reading them does.
    package func contentDigest(_ shard: ShardID, _ collection: CollectionID) throws(GrapeError) -> RowDigest {
        try whileServed(ShardSet([shard])) { () throws(GrapeError) in
            try storing { () throws(StorageError) in try readContent(prefix(shard, collection)) }
        }
    }

    private func readContent(_ prefix: RowKeyPrefix) throws(StorageError) -> RowDigest {
        let snapshot = try database.snapshot()
        let (from, to) = (prefix.lowerBound, prefix.upperBound)
        var rows = try database.cursor(.payloads, from: from, to: to, snapshot: snapshot)
        var vectors = try database.cursor(.vectors, from: from, to: to, snapshot: snapshot)
        try rows.seekToFirst()
        try vectors.seekToFirst()
        var digest = RowDigest()
        while rows.isValid {
            let key = rows.key.copyBytes()
            guard vectors.isValid, vectors.key.copyBytes() == key, vectors.value.count >= VectorRow.headerBytes,
                let row = PointRow(encoded: rows.value.copyBytes())
            else { throw .damagedRow(path: database.path, family: .payloads, key: key) }
            digest.add(
                RowDigest.contentHash(
                    id: Array(key[RowKeyPrefix.byteCount...]), form: row.form,
                    vectorBlock: vectors.value.copyBytes(VectorRow.headerBytes..<vectors.value.count),
                    payload: row.payload.json))
            try rows.next()
            try vectors.next()
        }
        return digest
    }
}
