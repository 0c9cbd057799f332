import GrapeIndex
import GrapeModel
import GrapeStorage

extension Engine {
    /// Points whose payloads are read at once for a field that is new in memory.
    private static let fillStep = 512

    /// Reads payloads for a field that filters ask about. -> whether it has come further.
    func fill(_ fields: PayloadFields, of collection: Collection) throws(StorageError) -> Bool {
        try fields.fill(max: Self.fillStep) { (ordinals) throws(StorageError) in
            try payloads(of: ordinals, in: fields.index, collection.schema.id)
        }
    }

    /// Of pinned points; nil where the row is gone or newer than what the index has.
    private func payloads(
        of ordinals: [Ordinal], in index: CollectionIndex, _ collection: CollectionID
    ) throws(StorageError) -> [[UInt8]?] {
        let generations = serving.withLock { $0.generations }
        let keys = ordinals.map { ordinal in
            let shard = ShardID(index.shard(of: ordinal))
            let prefix = RowKeyPrefix(
                shard: shard, generation: generations[Int(shard.rawValue)], collection: collection)
            return prefix.key(ofEncoded: index.key(of: ordinal))
        }
        let rows = try PointReader(database: database).rows(keys)
        return zip(ordinals, rows).map { ordinal, row in
            guard let row, row.vectorVersion.rawValue == index.version(of: ordinal) else { return nil }
            return row.payload.json
        }
    }
}
