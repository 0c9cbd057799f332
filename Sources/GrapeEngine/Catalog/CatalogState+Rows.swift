import GrapeModel
import GrapeStorage

/// The catalog as rows of the family `catalog`.
extension CatalogState {
    package static func read(_ database: Database) throws(StorageError) -> CatalogState {
        var layout = ClusterLayout()
        if let bytes = try database.get(.catalog, CatalogKey.layout) {
            guard let found = ClusterLayout(encoded: bytes) else { throw damaged(database, CatalogKey.layout) }
            layout = found
        }
        guard let head = try database.get(.catalog, CatalogKey.head) else {
            return CatalogState(version: CatalogVersion(0), nextCollection: 1, entries: [], layout: layout)
        }
        var reader = ByteReader(head)
        guard let version = reader.integer(UInt64.self), let next = reader.integer(UInt64.self) else {
            throw damaged(database, CatalogKey.head)
        }
        var entries: [CatalogEntry] = []
        var cursor = try database.cursor(.catalog, from: CatalogKey.entries.from, to: CatalogKey.entries.to)
        try cursor.seekToFirst()
        while cursor.isValid {
            guard let entry = CatalogEntry(encoded: cursor.value.copyBytes()) else {
                throw damaged(database, cursor.key.copyBytes())
            }
            entries.append(entry)
            try cursor.next()
        }
        return CatalogState(
            version: CatalogVersion(version), nextCollection: next, entries: entries, layout: layout)
    }

    private static func damaged(_ database: Database, _ key: [UInt8]) -> StorageError {
        .damagedRow(path: database.path, family: .catalog, key: key)
    }

    /// Puts what a command changed into the batch.
    func putRows(of outcome: CatalogOutcome, into batch: inout WriteBatch) {
        switch outcome {
        case .exists, .notFound: break
        case .layout: batch.put(.catalog, key: CatalogKey.layout, value: layout.encoded)
        case .done(let id, _):
            if let entry = entry(id) {
                batch.put(.catalog, key: CatalogKey.entry(id), value: entry.encoded)
            } else {
                batch.delete(.catalog, key: CatalogKey.entry(id))
                batch.deleteRange(
                    .indexCheckpoints, from: CheckpointKey.lowerBound(id), to: CheckpointKey.upperBound(id))
            }
            batch.put(.catalog, key: CatalogKey.head, value: encodedHead)
        case .published(let ids, _):
            for case let entry? in ids.map(entry) {
                batch.put(.catalog, key: CatalogKey.entry(entry.schema.id), value: entry.encoded)
            }
            batch.put(.catalog, key: CatalogKey.head, value: encodedHead)
        }
    }
}
