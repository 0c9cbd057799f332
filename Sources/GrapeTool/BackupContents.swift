import GrapeEngine
import GrapeModel

/// What a backup holds, from one reading of all of it: it is sound, or this is never made.
struct BackupContents: Sendable {
    struct Restored: Sendable {
        /// Its id in the backup.
        let id: CollectionID
        let name: String
        let vectors: [VectorSchema]
        var content = RowDigest()
    }

    let manifest: BackupManifest
    /// The collections that count, in the order of their ids.
    private(set) var collections: [Restored]

    var points: UInt64 { collections.reduce(0) { $0 + $1.content.points } }

    /// Reads an archive to its end.
    init(_ path: String) throws {
        var reader = try ArchiveReader(path)
        manifest = reader.manifest
        collections = []
        var rows: [ExportedRow] = []
        var places: [CollectionID: Int] = [:]
        while let item = try reader.read() {
            switch item {
            case .began(let file, _):
                guard file.group != .catalog, places.isEmpty else { continue }
                collections = try Self.collections(rows, manifest)
                for (place, one) in collections.enumerated() { places[one.id] = place }
            case .records(let records):
                for record in records {
                    switch record {
                    case .row(let row): if row.kind == .catalog { rows.append(row) }
                    case .point(let point):
                        if let place = places[point.collection] { collections[place].content.add(point.contentHash) }
                    }
                }
                Terminal.progress("check", reader.progress)
                try Task.checkCancellation()
            case .ended: break
            }
        }
    }

    private static func collections(_ rows: [ExportedRow], _ manifest: BackupManifest) throws -> [Restored] {
        guard let catalog = CatalogState(rows: rows) else {
            throw ToolFailure(.failed, "the backup's catalog has no form that this build knows")
        }
        return try manifest.collections.map { id in
            guard let entry = catalog.entry(id), entry.phase == .ready else {
                throw ToolFailure(.failed, "the backup's catalog lacks collection \(id), which its manifest lists")
            }
            return Restored(id: id, name: entry.schema.name, vectors: entry.schema.vectors)
        }
    }
}
