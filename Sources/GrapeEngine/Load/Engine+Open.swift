import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging

extension Engine {
    /// Reads the catalog, how far every group has come, and the indexes. Entries that are in the log but not applied
    /// come after, by `apply`.
    ///
    /// - Parameters:
    ///   - lanes: how many shards may be applied at the same time.
    ///   - sparesDamaged: a shard with damaged rows is left out and noted as damaged, for others to replace it; else the
    ///     open fails.
    ///   - scrub: how the disk is read again in the background; nil: not at all.
    package static func open(
        database: Database, shardCount: Int, lanes: Int? = nil, indexThreads: Int, checkpointIntervalSeconds: Int,
        sparesDamaged: Bool = false, scrub: ScrubOptions? = nil, logger: Logger
    ) throws(GrapeError) -> Engine {
        let clock = VisibilityClock()
        let (groups, newest, aside, catalog) = try storing { () throws(StorageError) in
            let groups = try readGroups(database, shardCount: shardCount)
            let newest = try readNewestGenerations(database, shardCount: shardCount, groups)
            let aside = try readQuarantines(database, shardCount: shardCount)
            try deleteLeftovers(database, groups, newest, aside)
            return (groups, newest, aside, try CatalogState.read(database))
        }
        var serving = Serving(shardCount: shardCount, catalog: catalog, collections: [:], groups: groups)
        for (shard, quarantine) in aside where groups[.shard(shard)]?.generation == quarantine.generation {
            serving.setAside(shard)
        }
        let faults = ReplicaFaults()
        let (collections, damaged) = try load(
            catalog, serving.heldGenerations, database, clock, sparesDamaged: sparesDamaged, logger)
        serving.setCollections(collections)
        for (shard, error) in damaged {
            faults.note(.shard(shard), serving.generations[Int(shard.rawValue)], "\(error)", logger)
            serving.setAside(shard)
        }
        let engine = Engine(
            database: database, shardCount: shardCount, lanes: lanes ?? min(defaultLanes, ProcessStatistics.cores),
            clock: clock, serving: serving, newestGenerations: newest, setAside: aside, faults: faults,
            builder: IndexBuilder(threads: indexThreads, checkpointIntervalSeconds: checkpointIntervalSeconds),
            scrub: scrub ?? ScrubOptions(), logger: logger)
        for shard in damaged.keys { engine.removeIndexPoints(of: shard) }
        engine.watchDamage()
        engine.builder.start(engine)
        if scrub != nil { engine.scrubber.start(engine) }
        return engine
    }

    /// More than that wait for each other in the store anyway.
    private static let defaultLanes = 4

    private static func load(
        _ catalog: CatalogState, _ generations: [(ShardID, ReplicaGeneration)], _ database: Database,
        _ clock: VisibilityClock, sparesDamaged: Bool, _ logger: Logger
    ) throws(GrapeError) -> ([CollectionID: Collection], damaged: [ShardID: StorageError]) {
        var collections: [CollectionID: Collection] = [:]
        var damaged: [ShardID: StorageError] = [:]
        do throws(ApplyError) {
            for entry in catalog.sortedEntries where entry.phase != .dropping {
                let sound = generations.filter { damaged[$0.0] == nil }
                let load = CollectionLoad(
                    database: database, schema: entry.schema, generations: sound, clock: clock,
                    sparesDamaged: sparesDamaged, logger: logger)
                let loaded = try load.run()
                collections[entry.schema.id] = loaded.collection
                damaged.merge(loaded.damaged) { first, _ in first }
            }
        } catch {
            throw GrapeError(error)
        }
        return (collections, damaged)
    }

    private static func readNewestGenerations(
        _ database: Database, shardCount: Int, _ groups: [LogGroup: GroupState]
    ) throws(StorageError) -> [ShardID: ReplicaGeneration] {
        var newest: [ShardID: ReplicaGeneration] = [:]
        for shard in (0..<shardCount).map({ ShardID(UInt16($0)) }) {
            let key = StateKey.newestGeneration(shard)
            let held = groups[.shard(shard)]?.generation
            if let bytes = try database.get(.state, key) {
                guard let noted = ReplicaGeneration(encoded: bytes) else {
                    throw .damagedRow(path: database.path, family: .state, key: key)
                }
                newest[shard] = max(noted, held ?? noted)
            } else {
                newest[shard] = held
            }
        }
        return newest
    }

    /// A crash may have come between the end of a replica and the deletion of its rows.
    private static func deleteLeftovers(
        _ database: Database, _ groups: [LogGroup: GroupState], _ newest: [ShardID: ReplicaGeneration],
        _ aside: [ShardID: Quarantine]
    ) throws(StorageError) {
        for shard in newest.keys.sorted() where groups[.shard(shard)] == nil {
            let end = ReplicaGeneration((newest[shard]?.rawValue ?? 0) + 1)
            var ranges = StateKey.generations(of: shard, below: end).map { (ColumnFamily.state, $0.from, $0.to) }
            let none = RowKeyPrefix(shard: shard, generation: ReplicaGeneration(0), collection: CollectionID(0))
            let behind = RowKeyPrefix(shard: shard, generation: end, collection: CollectionID(0))
            ranges.append((.vectors, none.lowerBound, behind.lowerBound))
            ranges.append((.payloads, none.lowerBound, behind.lowerBound))
            for (family, from, to) in ranges {
                var cursor = try database.cursor(family, from: from, to: to)
                try cursor.seekToFirst()
                guard cursor.isValid else { continue }
                try deleteGenerations(of: shard, below: end, but: aside[shard]?.generation, database)
                break
            }
        }
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
}
