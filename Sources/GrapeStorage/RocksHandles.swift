import CRocksDB
import CRocksDBExtras

/// Owns every C object of one open database and frees them in the order that RocksDB asks for: families, database,
/// then the options, the cache and the monitor that it used.
///
/// Thread safety: the pointers never change, and RocksDB allows every call on them from any thread. `free` is called
/// once, by `Database` when nobody uses them any more, or by `deinit`.
final class RocksHandles: @unchecked Sendable {
    let database: OpaquePointer
    let settings: RocksSettings
    /// Plain reads of the latest version; checksums are verified by default.
    let readOptions: OpaquePointer
    private let unsyncedWrite: OpaquePointer
    private let syncedWrite: OpaquePointer
    private let families: [OpaquePointer]
    private let defaultFamily: OpaquePointer
    private var isFreed = false

    /// `families` in the order of `ColumnFamily.allCases`.
    init(database: OpaquePointer, defaultFamily: OpaquePointer, families: [OpaquePointer], settings: RocksSettings) {
        precondition(families.count == ColumnFamily.allCases.count, "one handle for every family")
        self.database = database
        self.defaultFamily = defaultFamily
        self.families = families
        self.settings = settings
        readOptions = rocksdb_readoptions_create()
        unsyncedWrite = rocksdb_writeoptions_create()
        syncedWrite = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(syncedWrite, 1)
    }

    deinit { free() }

    func handle(_ family: ColumnFamily) -> OpaquePointer { families[family.ordinal] }

    func writeOptions(sync: Bool) -> OpaquePointer { sync ? syncedWrite : unsyncedWrite }

    func free() {
        guard !isFreed else { return }
        isFreed = true
        rocksdb_cancel_all_background_work(database, 1)
        families.forEach { rocksdb_column_family_handle_destroy($0) }
        rocksdb_column_family_handle_destroy(defaultFamily)
        rocksdb_close(database)
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_writeoptions_destroy(unsyncedWrite)
        rocksdb_writeoptions_destroy(syncedWrite)
        settings.free()
    }
}
