import CRocksDB
import CRocksDBExtras

extension Database {
    /// Reads every table file and checks every block. All damaged files are listed, none hides another.
    package func verifyChecksums() throws(StorageError) -> [StorageDamage] {
        try enter()
        defer { leave() }
        let site = StorageError.Site(path: path)
        // A compaction must not delete a file that is about to be read. Who only reads has none.
        let isWritable = !options.readOnly
        if isWritable { try StorageError.check(at: site) { rocksdb_disable_file_deletions(handles.database, &$0) } }
        defer {
            if isWritable {
                _ = try? StorageError.check(at: site) { rocksdb_enable_file_deletions(handles.database, 0, &$0) }
            }
        }
        var damaged: [StorageDamage] = []
        for file in liveFiles() {
            do throws(StorageError) {
                try StorageError.check(at: site) {
                    grape_verify_table(handles.settings.database, path + "/" + file.name, &$0)
                }
            } catch {
                guard case .corruption(_, _, let detail) = error else { throw error }
                damaged.append(StorageDamage(file: file.name, family: file.family, detail: detail))
            }
        }
        return damaged
    }

    /// Reads every row of a family and checks its checksum; stops noting damage after `limit`.
    package func verifyRows(_ family: ColumnFamily, limit: Int = 1000) throws(StorageError) -> RowCheck {
        var rows: UInt64 = 0
        var damaged: [StorageError] = []
        var cursor = try cursor(family)
        var isStarted = false
        while damaged.count < limit {
            do throws(StorageError) {
                if isStarted {
                    try cursor.next()
                } else {
                    isStarted = true
                    try cursor.seekToFirst()
                }
            } catch {
                guard error.isDamage else { throw error }
                damaged.append(error)
            }
            guard cursor.isValid else { break }
            rows += 1
        }
        return RowCheck(rows: rows, damaged: damaged)
    }
}
