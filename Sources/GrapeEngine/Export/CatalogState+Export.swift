import GrapeModel
import GrapeStorage

extension CatalogState {
    /// The state that exported rows describe; nil where they are no catalog.
    package init?(rows: [ExportedRow]) {
        var (version, next) = (UInt64(0), UInt64(1))
        var layout = ClusterLayout()
        var entries: [CatalogEntry] = []
        for row in rows {
            if row.key == CatalogKey.head {
                var reader = ByteReader(row.value)
                guard let first = reader.integer(UInt64.self), let second = reader.integer(UInt64.self) else {
                    return nil
                }
                (version, next) = (first, second)
            } else if row.key == CatalogKey.layout {
                guard let found = ClusterLayout(encoded: row.value) else { return nil }
                layout = found
            } else {
                guard let entry = CatalogEntry(encoded: row.value), row.key == CatalogKey.entry(entry.schema.id),
                    entry.schema.id.rawValue < next
                else { return nil }
                entries.append(entry)
            }
        }
        let names = entries.filter(\.phase.isNamed).map(\.schema.name)
        guard Set(names).count == names.count else { return nil }
        self.init(version: CatalogVersion(version), nextCollection: next, entries: entries, layout: layout)
    }

    /// Puts all rows in the place of those that are there.
    package func replaceRows(in batch: inout WriteBatch) {
        batch.deleteRange(.catalog, from: [], to: [0xff])
        batch.put(.catalog, key: CatalogKey.head, value: encodedHead)
        for entry in sortedEntries {
            batch.put(.catalog, key: CatalogKey.entry(entry.schema.id), value: entry.encoded)
        }
        batch.put(.catalog, key: CatalogKey.layout, value: layout.encoded)
    }
}
