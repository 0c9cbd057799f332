import CRocksDB
import CRocksDBExtras
import Glibc

/// RocksDB's options for the database and for each family, with the cache and the monitor that they share.
///
/// Thread safety: changed only in `init`; freed once, after the database is closed.
final class RocksSettings: @unchecked Sendable {
    let database: OpaquePointer
    let cache: OpaquePointer
    let monitor: OpaquePointer
    private let families: [OpaquePointer]
    private var isFreed = false

    /// RocksDB's log lines go to `LOG` in `path`, at most twice this.
    private static let logBytes = 4 << 20
    private static let filesKeptForSystem: UInt = 256

    init(_ options: StorageOptions, path: String) {
        database = rocksdb_options_create()
        cache = rocksdb_cache_create_lru(options.cacheBytes)
        monitor = grape_monitor_create(
            options.readOnly || options.fileSystem != nil ? nil : path + "/LOG", Self.logBytes,
            DiskSpace.reservePath(path), options.fileSystem?.files)
        families = ColumnFamily.allCases.map { [cache] in Self.familyOptions($0, options, cache: cache) }
        grape_monitor_attach(monitor, database)
        Self.setResources(database, options, cache: cache)
        Self.setDurability(database, options)
    }

    deinit { free() }

    func options(_ family: ColumnFamily) -> OpaquePointer { families[family.ordinal] }

    func free() {
        guard !isFreed else { return }
        isFreed = true
        families.forEach { rocksdb_options_destroy($0) }
        rocksdb_options_destroy(database)
        rocksdb_cache_destroy(cache)
        grape_monitor_destroy(monitor)
    }

    // MARK: The database

    private static func setResources(_ database: OpaquePointer, _ options: StorageOptions, cache: OpaquePointer) {
        let cores = max(1, Int32(clamping: sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        rocksdb_options_set_max_background_jobs(database, min(8, max(2, cores / 2 + 1)))
        rocksdb_options_set_max_subcompactions(database, cores >= 8 ? 2 : 1)
        grape_options_set_write_back(database, 1 << 20)
        rocksdb_options_set_max_open_files(database, openFilesMax())
        rocksdb_options_set_max_total_wal_size(database, UInt64(options.memtableBudgetBytes))
        rocksdb_options_set_enable_pipelined_write(database, 0)
        grape_options_set_memtable_budget(database, options.memtableBudgetBytes, cache)
        grape_options_enable_tickers(database)
    }

    private static func setDurability(_ database: OpaquePointer, _ options: StorageOptions) {
        rocksdb_options_set_create_if_missing(database, options.createIfMissing ? 1 : 0)
        rocksdb_options_set_create_missing_column_families(database, options.readOnly ? 0 : 1)
        rocksdb_options_set_paranoid_checks(database, 1)
        grape_options_use_point_in_time_recovery(database)
        // For readers too: where the MANIFEST names logs, an open that does not track them would have to write to it, and
        // an assertion ends the process.
        grape_options_track_write_ahead_logs(database)
    }

    /// Every table file stays open where the process may have that many files: then a missing or short one shows at
    /// the open, and a read costs no open call.
    private static func openFilesMax() -> Int32 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 512 }
        let soft = UInt(limit.rlim_cur)
        return soft >= 16_384 ? -1 : Int32(clamping: max(64, soft / 2 &- min(soft / 4, filesKeptForSystem)))
    }

    // MARK: A family

    /// Keys of a block that are compared one after the other when one is looked up.
    private static let keysBetweenRestarts: Int32 = 4
    /// Of a memtable's memory.
    private static let memtableFilterShare = 0.02

    private static func isReadAtRandom(_ family: ColumnFamily) -> Bool { family != .log && family != .indexCheckpoints }

    private static func familyOptions(
        _ family: ColumnFamily, _ options: StorageOptions, cache: OpaquePointer
    ) -> OpaquePointer {
        let made: OpaquePointer = rocksdb_options_create()
        rocksdb_options_set_write_buffer_size(made, options.writeBufferBytes)
        rocksdb_options_set_max_write_buffer_number(made, Int32(clamping: max(2, options.maxWriteBuffers)))
        rocksdb_options_set_target_file_size_base(made, UInt64(options.targetFileBytes))
        rocksdb_options_set_max_bytes_for_level_base(made, UInt64(options.targetFileBytes) * 4)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(made, 1)
        if isReadAtRandom(family) {
            // Most keys that are read rest in tables: a filter says so before the memtable is searched.
            rocksdb_options_set_memtable_prefix_bloom_size_ratio(made, memtableFilterShare)
            rocksdb_options_set_memtable_whole_key_filtering(made, 1)
        }
        setCompression(made, family, options)
        setTable(made, family, options, cache: cache)
        return made
    }

    /// 1. Vectors, and log entries, which are mostly vectors and short-lived: raw floats do not shrink (ratio 0.996).
    /// 2. Payloads: LZ4, and zstd with a dictionary where they come to rest. Measured on 116,659 WordNet payloads of 160
    ///    bytes in blocks of 4 KiB: 2.8 times smaller, 13 µs of CPU for a read that misses the cache; LZ4 1.7 times, 5 µs.
    /// 3. The rest: LZ4.
    private static func setCompression(_ made: OpaquePointer, _ family: ColumnFamily, _ options: StorageOptions) {
        guard options.compression else { return grape_options_set_uncompressed(made) }
        switch family {
        case .vectors, .log: grape_options_set_uncompressed(made)
        case .payloads:
            grape_options_set_lz4(made)
            grape_options_set_bottommost_zstd(made, 3, 16 << 10, 1 << 20)
        case .state, .catalog, .indexCheckpoints: grape_options_set_lz4(made)
        }
    }

    /// Small blocks where single rows are read at random, large ones where ranges are; filters only for the former.
    private static func setTable(
        _ made: OpaquePointer, _ family: ColumnFamily, _ options: StorageOptions, cache: OpaquePointer
    ) {
        let table = rocksdb_block_based_options_create()
        defer { rocksdb_block_based_options_destroy(table) }
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
        // TableCheck.cpp reads just these; the checksum is XXH3.
        rocksdb_block_based_options_set_format_version(table, 5)
        rocksdb_block_based_options_set_checksum(table, 4)
        switch family {
        case .vectors, .payloads, .state, .catalog: rocksdb_block_based_options_set_block_size(table, 4 << 10)
        case .log, .indexCheckpoints: rocksdb_block_based_options_set_block_size(table, 64 << 10)
        }
        if isReadAtRandom(family) {
            rocksdb_block_based_options_set_data_block_index_type(
                table, Int32(rocksdb_block_based_table_data_block_index_type_binary_search_and_hash))
            rocksdb_block_based_options_set_block_restart_interval(table, keysBetweenRestarts)
        }
        if isReadAtRandom(family) && options.bloomBitsPerKey > 0 {
            // The table's options take the policy over.
            let policy = rocksdb_filterpolicy_create_bloom_full(Double(options.bloomBitsPerKey))
            rocksdb_block_based_options_set_filter_policy(table, policy)
        }
        rocksdb_options_set_block_based_table_factory(made, table)
    }
}
