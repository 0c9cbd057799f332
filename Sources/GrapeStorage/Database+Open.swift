import GrapeModel
import CRocksDB
import CRocksDBExtras
import Glibc

extension Database {
    /// The format record: storage's own, in `state`, whose keys that begin with 0xFF nobody else uses.
    private static let formatKey: [UInt8] = [0xFF] + Array("format".utf8)

    /// Opens the database in `path`, creating it if the options allow.
    ///
    /// 1. Nobody else may have it open. 2. What is there must be a Grape database with no newer families. 3. The MANIFEST,
    /// before anything looks into it, and the write-ahead log must reach what was synced, else they are damaged: RocksDB
    /// would drop the rest without a word. 4. RocksDB opens it, replaying the log. 5. The format record is checked,
    /// upgraded or written.
    package static func open(path: String, options: StorageOptions = StorageOptions()) throws(StorageError) -> Database
    {
        if options.fileSystem != nil { return try openInMemory(path, options) }
        let site = StorageError.Site(path: path)
        if !options.readOnly && options.createIfMissing { try Directory.create(path) }
        let lease = try DirectoryLease(path: path, sharing: options.readOnly)
        let isNew = try isEmpty(path, options)
        let settings = RocksSettings(options, path: path)
        if !isNew {
            try SyncMark.checkManifest(path: path)
            try checkFamilies(settings, at: site)
            try SyncMark.checkLogs(path: path) { () throws(StorageError) -> UInt64 in
                let opened = try openHandles(RocksSettings(options, path: path), readOnly: true, at: site)
                return rocksdb_get_latest_sequence_number(opened.database)
            }
        }
        if !options.readOnly { try checkRoom(path) }
        let handles = try openHandles(settings, readOnly: options.readOnly, at: site)
        let mark = options.readOnly ? nil : try SyncMark(path: path, settings: settings)
        let database = Database(path: path, options: options, handles: handles, syncMark: mark, lease: lease)
        mark?.observe()
        try database.checkFormat()
        if !options.readOnly {
            try database.syncLog()
            _ = database.checkSpace()
        }
        return database
    }

    /// The last steps alone: nobody else has such a disk, and nothing on it is damaged from outside.
    private static func openInMemory(_ path: String, _ options: StorageOptions) throws(StorageError) -> Database {
        let handles = try openHandles(
            RocksSettings(options, path: path), readOnly: options.readOnly, at: StorageError.Site(path: path))
        let database = Database(path: path, options: options, handles: handles, syncMark: nil, lease: nil)
        try database.checkFormat()
        if !options.readOnly { try database.syncLog() }
        return database
    }

    // MARK: Steps

    /// Tells a new directory from a database, and both from one that lost its CURRENT file.
    private static func isEmpty(_ path: String, _ options: StorageOptions) throws(StorageError) -> Bool {
        let names = try Directory.names(path)
        if names.contains("CURRENT") { return false }
        // A creation that was cut short leaves a first MANIFEST and nothing that was ever acknowledged.
        if let orphan = names.first(where: { $0.hasSuffix(".sst") || $0 == "synced" }) {
            let detail = "the file CURRENT is missing, yet there is \(orphan)"
            throw .corruption(.init(path: path), file: "CURRENT", detail: detail)
        }
        guard options.createIfMissing && !options.readOnly else {
            throw .notADatabase(path: path, detail: "it holds no database")
        }
        return true
    }

    /// Opening writes what the logs hold to table files, and would wait where that does not fit. The reserve counts: it
    /// is given up for this.
    private static func checkRoom(_ path: String) throws(StorageError) {
        let free = try DiskSpace.freeBytes(path) + Directory.byteCount(DiskSpace.reservePath(path))
        let logs = try Directory.logNumbers(path)
            .reduce(UInt64(0)) { $0 + Directory.byteCount(path + "/" + Directory.logName($1)) }
        let needed = logs + (1 << 20)
        guard free < needed else { return }
        throw .noSpace(.init(path: path), detail: "opening takes up to \(needed) bytes, \(free) are free")
    }

    private static func checkFamilies(_ settings: RocksSettings, at site: StorageError.Site) throws(StorageError) {
        var count = 0
        let names = try StorageError.check(at: site) {
            rocksdb_list_column_families(settings.database, site.path, &count, &$0)
        }
        guard let names else { throw .io(site, detail: "no list of families") }
        defer { rocksdb_list_column_families_destroy(names, count) }
        let found = (0..<count).compactMap { names[$0].map { String(cString: $0) } }
        let unknown = found.filter { $0 != "default" && ColumnFamily(name: $0) == nil }
        if unknown.isEmpty { return }
        if unknown.count == found.count - 1 {
            throw .notADatabase(path: site.path, detail: "a RocksDB database with other families: \(unknown[0])")
        }
        throw .newerFormat(path: site.path, found: formatVersion + 1, supported: formatVersion)
    }

    private static func openHandles(
        _ settings: RocksSettings, readOnly: Bool, at site: StorageError.Site
    ) throws(StorageError) -> RocksHandles {
        let names = ["default"] + ColumnFamily.allCases.map(\.name)
        let texts = names.map { strdup($0) }
        defer { texts.forEach { Glibc.free($0) } }
        var pointers = texts.map { UnsafePointer($0) }
        var options = [Optional(settings.database)] + ColumnFamily.allCases.map { Optional(settings.options($0)) }
        var handles = [OpaquePointer?](repeating: nil, count: names.count)
        let count = Int32(names.count)
        let database = try StorageError.check(at: site) {
            readOnly
                ? rocksdb_open_for_read_only_column_families(
                    settings.database, site.path, count, &pointers, &options, &handles, 0, &$0)
                : rocksdb_open_column_families(
                    settings.database, site.path, count, &pointers, &options, &handles, &$0)
        }
        let opened = handles.compactMap { $0 }
        guard let database, opened.count == names.count else { throw .io(site, detail: "no database was opened") }
        return RocksHandles(
            database: database, defaultFamily: opened[0], families: Array(opened.dropFirst()), settings: settings)
    }

    // MARK: Format

    /// 1. The record is there: newer is refused, older upgraded. 2. It is not and nothing else is: a new database, or
    /// one whose creation was cut short. 3. It is not, but there are rows: not ours.
    private func checkFormat() throws(StorageError) {
        if let record = try get(.state, Self.formatKey) {
            guard record.count == 4 else {
                let site = StorageError.Site(path: path, family: .state)
                throw .corruption(site, file: nil, detail: "format record of \(record.count) bytes")
            }
            let found = record.span.uint32LittleEndian(at: 0)
            if found > Self.formatVersion {
                throw .newerFormat(path: path, found: found, supported: Self.formatVersion)
            }
            if found < Self.formatVersion && !options.readOnly { try upgrade(from: found) }
            return
        }
        for family in ColumnFamily.allCases {
            var cursor = try cursor(family)
            try cursor.seekToFirst()
            if cursor.isValid {
                throw .notADatabase(path: path, detail: "family \(family.name) has rows but no format")
            }
        }
        if !options.readOnly { try writeFormat() }
    }

    /// Each released format gets a step here that rewrites what changed, then the record, in batches that may be
    /// repeated after a crash. Format 1 is the first.
    private func upgrade(from found: UInt32) throws(StorageError) {
        precondition(found < Self.formatVersion, "upgrade from \(found) to \(Self.formatVersion)")
        try writeFormat()
    }

    /// Flushed too, so that a directory with rows always has a table file: a lost log then cannot look like a new start.
    private func writeFormat() throws(StorageError) {
        var record: [UInt8] = []
        record.appendLittleEndian(Self.formatVersion)
        var batch = try makeBatch()
        batch.put(.state, key: Self.formatKey, value: record)
        try write(batch, sync: true)
        try flush(.state)
    }
}
