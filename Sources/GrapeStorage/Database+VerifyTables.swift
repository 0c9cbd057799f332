import CRocksDB
import CRocksDBExtras

/// A table file that can't be trusted, and the keys that it covers.
package struct DamagedTable: Sendable, Hashable {
    package let file: String
    package let family: ColumnFamily?
    package let smallestKey: [UInt8]
    package let largestKey: [UInt8]
    package let detail: String
}

extension Database {
    /// Reads every table file from the disk, past all caches, and checks every block; one file after another, so that
    /// files which go meanwhile can go.
    /// - Parameter pace: hears of each file's bytes; false: give up.
    package func verifyTables(pace: (UInt64) -> Bool) throws(StorageError) -> [DamagedTable] {
        var damaged: [DamagedTable] = []
        for name in try tableNames() {
            guard let (bytes, table) = try verifyTable(name) else { continue }
            if let table { damaged.append(table) }
            guard pace(bytes) else { break }
        }
        return damaged
    }

    private func tableNames() throws(StorageError) -> [String] {
        try enter()
        defer { leave() }
        return liveFiles().map(\.name)
    }

    /// nil where the file is not used any more.
    private func verifyTable(_ name: String) throws(StorageError) -> (bytes: UInt64, DamagedTable?)? {
        try enter()
        defer { leave() }
        // A compaction must not delete a file that is being read.
        let site = StorageError.Site(path: path)
        try StorageError.check(at: site) { rocksdb_disable_file_deletions(handles.database, &$0) }
        defer { _ = try? StorageError.check(at: site) { rocksdb_enable_file_deletions(handles.database, 0, &$0) } }
        guard let file = liveFiles().first(where: { $0.name == name }) else { return nil }
        do throws(StorageError) {
            try Self.verifyTable(at: path + "/" + file.name, handles.settings, site)
            return (file.byteCount, nil)
        } catch {
            guard case .corruption(_, _, let detail) = error else { throw error }
            let table = DamagedTable(
                file: file.name, family: file.family, smallestKey: file.smallestKey, largestKey: file.largestKey,
                detail: detail)
            return (file.byteCount, table)
        }
    }

    static func verifyTable(
        at path: String, _ settings: RocksSettings, _ site: StorageError.Site
    ) throws(StorageError) {
        try StorageError.check(at: site) { grape_verify_table(settings.database, path, &$0) }
    }
}
