import GrapeModel
import GrapeStorage

extension ExportHeader.Digest {
    /// The running digests of a group's rows, ascending by collection; none of the catalog's.
    static func all(
        of group: LogGroup, _ generation: ReplicaGeneration, _ snapshot: Snapshot, _ database: Database
    ) throws(StorageError) -> [ExportHeader.Digest] {
        guard case .shard(let shard) = group else { return [] }
        let (from, to) = StateKey.digests(shard, generation)
        var digests: [ExportHeader.Digest] = []
        var cursor = try database.cursor(.state, from: from, to: to, snapshot: snapshot)
        try cursor.seekToFirst()
        while cursor.isValid {
            let key = cursor.key.copyBytes()
            guard key.count == 1 + RowKeyPrefix.byteCount,
                let digest = RowDigest(encoded: cursor.value.copyBytes())
            else { throw .damagedRow(path: database.path, family: .state, key: key) }
            let collection = CollectionID(key.span.uint64BigEndian(at: key.count - 8))
            digests.append(ExportHeader.Digest(collection: collection, digest: digest))
            try cursor.next()
        }
        return digests
    }
}
