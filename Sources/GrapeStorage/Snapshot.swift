import CRocksDB

/// A state of the database that later writes do not change.
///
/// Thread safety: immutable; any thread may read through it. It counts as a user of the database until freed.
package final class Snapshot: @unchecked Sendable {
    let database: Database
    let snapshot: OpaquePointer
    let readOptions: OpaquePointer

    init(_ database: Database) throws(StorageError) {
        try database.enter()
        guard let snapshot = rocksdb_create_snapshot(database.handles.database) else {
            database.leave()
            throw .io(.init(path: database.path), detail: "no snapshot")
        }
        self.database = database
        self.snapshot = snapshot
        readOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_snapshot(readOptions, snapshot)
    }

    deinit {
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_release_snapshot(database.handles.database, snapshot)
        database.leave()
    }
}
