import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging

extension Engine {
    /// Reads the catalog, how far every group has come, and the indexes. Entries that are in the log but not applied
    /// come after, by `apply`.
    package static func open(
        database: Database, shardCount: Int, indexThreads: Int, checkpointIntervalSeconds: Int, logger: Logger
    ) throws(GrapeError) -> Engine {
        let clock = VisibilityClock()
        let groups = try storing { () throws(StorageError) in
            try readGroups(database, shardCount: shardCount)
        }
        let catalog = try storing { () throws(StorageError) in try readCatalog(database) }
        let generations = (0..<shardCount).map { groups[.shard(ShardID(UInt16($0)))]?.generation ?? .first }
        var collections: [CollectionID: Collection] = [:]
        for entry in catalog.sortedEntries where entry.phase != .dropping {
            let load = CollectionLoad(
                database: database, schema: entry.schema, generations: generations, clock: clock, logger: logger)
            collections[entry.schema.id] = try load.run()
        }
        let engine = Engine(
            database: database, shardCount: shardCount, clock: clock,
            serving: Serving(
                catalog: catalog, collections: collections, groups: groups, generations: generations),
            builder: IndexBuilder(threads: indexThreads, checkpointIntervalSeconds: checkpointIntervalSeconds),
            logger: logger)
        engine.builder.start(engine)
        return engine
    }

    private static func readGroups(
        _ database: Database, shardCount: Int
    ) throws(StorageError) -> [LogGroup: GroupState] {
        var groups: [LogGroup: GroupState] = [:]
        for group in LogGroup.all(shardCount: shardCount) {
            let key = StateKey.group(group)
            guard let bytes = try database.get(.state, key) else { continue }
            guard let state = GroupState(encoded: bytes) else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            groups[group] = state
        }
        return groups
    }

    private static func readCatalog(_ database: Database) throws(StorageError) -> CatalogState {
        guard let head = try database.get(.catalog, CatalogKey.head) else { return CatalogState() }
        var reader = ByteReader(head)
        guard let version = reader.integer(UInt64.self), let next = reader.integer(UInt64.self) else {
            throw .damagedRow(path: database.path, family: .catalog, key: CatalogKey.head)
        }
        var entries: [CatalogEntry] = []
        var cursor = try database.cursor(.catalog, from: CatalogKey.entries.from, to: CatalogKey.entries.to)
        try cursor.seekToFirst()
        while cursor.isValid {
            guard let entry = CatalogEntry(encoded: cursor.value.copyBytes()) else {
                throw .damagedRow(path: database.path, family: .catalog, key: cursor.key.copyBytes())
            }
            entries.append(entry)
            try cursor.next()
        }
        return CatalogState(version: CatalogVersion(version), nextCollection: next, entries: entries)
    }
}
