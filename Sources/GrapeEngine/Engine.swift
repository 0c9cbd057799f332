import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Rows and indexes of one node: applies committed entries, answers reads and searches.
///
/// Thread safety:
/// 1. `apply` runs one call at a time; it alone changes rows, group states and the catalog, under `applied`.
/// 2. Everything else reads `serving`, a value that apply replaces after its batch is in the store.
/// 3. Searches see what `clock` has published: rows are written before, so a search that sees a point finds its row,
///    or a newer one (`RowFetch` compares versions).
package final class Engine: Sendable {
    /// What reads and searches go by.
    struct Serving: Sendable {
        var catalog: CatalogState
        var collections: [CollectionID: Collection]
        /// Those that take writes, in the order of their ids.
        var ready: [Collection] = []
        /// Where apply stands, as of its last batch.
        var groups: [LogGroup: GroupState]
        /// The generation of each shard whose rows count.
        var generations: [ReplicaGeneration]
    }

    /// What the next entry is applied to.
    private struct Applied: Sendable {
        var groups: [LogGroup: GroupState]
        var catalog: CatalogState
    }

    package let database: Database
    package let shardCount: Int
    package let clock: VisibilityClock
    package let builder: IndexBuilder
    let logger: Logger
    private let applied: Mutex<Applied>
    private let serving: Mutex<Serving>

    init(
        database: Database, shardCount: Int, clock: VisibilityClock, serving: Serving, builder: IndexBuilder,
        logger: Logger
    ) {
        self.database = database
        self.shardCount = shardCount
        self.clock = clock
        self.builder = builder
        self.logger = logger
        applied = Mutex(Applied(groups: serving.groups, catalog: serving.catalog))
        var serving = serving
        serving.ready = Self.ready(serving.catalog, serving.collections)
        self.serving = Mutex(serving)
    }

    /// Applies entries in the order given: one batch for the store, then one publish for all indexes.
    package func apply(_ entries: [CommittedEntry]) throws(ApplyError) -> [ApplyOutcome] {
        try applied.withLock { (state) throws(ApplyError) in
            var outcomes: [ApplyOutcome] = []
            outcomes.reserveCapacity(entries.count)
            var turn = try ApplyTurn.begin(database, groups: state.groups, catalog: state.catalog)
            for entry in entries { outcomes.append(try turn.apply(entry)) }
            try turn.finish()
            for prefix in turn.emptied { dropFiles(of: prefix) }
            state.groups = turn.groups
            state.catalog = turn.catalog
            try serve(turn.catalog, groups: turn.groups)
            try publish(turn.indexChanges)
            return outcomes
        }
    }

    /// Gives the disk space of deleted rows back without waiting for a compaction; they are gone already.
    private func dropFiles(of prefix: RowKeyPrefix) {
        for family in [ColumnFamily.vectors, .payloads] {
            try? database.dropRange(family, from: prefix.lowerBound, to: prefix.upperBound)
        }
    }

    /// The last entry of the group whose work is in the store.
    package func appliedIndex(of group: LogGroup) -> LogIndex {
        serving.withLock { $0.groups[group]?.applied ?? LogIndex(0) }
    }

    /// Takes up replicas whose state is in the store: they begin on this node.
    package func hold(_ states: [LogGroup: GroupState]) {
        applied.withLock { applied in
            for (group, state) in states { applied.groups[group] = state }
            serving.withLock { serving in
                serving.groups = applied.groups
                for (group, state) in states {
                    if case .shard(let shard) = group { serving.generations[Int(shard.rawValue)] = state.generation }
                }
            }
        }
    }

    /// Makes what was applied what reads and searches go by.
    private func serve(_ catalog: CatalogState, groups: [LogGroup: GroupState]) throws(ApplyError) {
        try serving.withLock { (serving) throws(ApplyError) in
            serving.groups = groups
            guard serving.catalog.version != catalog.version else { return }
            serving.catalog = catalog
            var collections: [CollectionID: Collection] = [:]
            for entry in catalog.sortedEntries where entry.phase != .dropping {
                let id = entry.schema.id
                if let known = serving.collections[id] {
                    collections[id] = known
                } else {
                    collections[id] = try newCollection(entry.schema)
                }
            }
            serving.collections = collections
            serving.ready = Self.ready(catalog, collections)
        }
    }

    private static func ready(_ catalog: CatalogState, _ collections: [CollectionID: Collection]) -> [Collection] {
        catalog.sortedEntries.compactMap { $0.phase == .ready ? collections[$0.schema.id] : nil }
    }

    private func newCollection(_ schema: CollectionSchema) throws(ApplyError) -> Collection {
        do {
            return try Collection(schema: schema, clock: clock)
        } catch {
            throw .index(error)
        }
    }

    private func publish(_ changes: [IndexChange]) throws(ApplyError) {
        guard !changes.isEmpty else { return }
        let collections = serving.withLock { $0.collections }
        do {
            try IndexChange.publish(changes, collections: collections, clock: clock)
        } catch {
            throw .index(error)
        }
        builder.wake()
    }

    // MARK: What reads go by

    /// The collection of this name and the catalog version at which the name means it.
    package func resolve(_ name: String) throws(GrapeError) -> (collection: Collection, version: CatalogVersion) {
        let found: (Collection, CatalogVersion)? = serving.withLock { serving in
            guard let entry = serving.catalog.entry(named: name), entry.phase == .ready,
                let collection = serving.collections[entry.schema.id]
            else { return nil }
            return (collection, serving.catalog.version)
        }
        guard let found else { throw GrapeError(.collectionNotFound, "there is no collection \(name)") }
        return found
    }

    /// All collections that take writes, in the order of their ids.
    package var collections: [Collection] {
        serving.withLock { $0.ready }
    }

    /// The catalog as it is applied here.
    package var catalog: CatalogState { serving.withLock { $0.catalog } }

    func prefix(_ shard: ShardID, _ collection: CollectionID) -> RowKeyPrefix {
        let generation = serving.withLock { $0.generations[Int(shard.rawValue)] }
        return RowKeyPrefix(shard: shard, generation: generation, collection: collection)
    }

    package func shard(of id: PointID, in collection: CollectionID) -> ShardID {
        ShardHash.shard(of: id.encoded, in: collection, count: shardCount)
    }
}

extension ApplyTurn {
    fileprivate static func begin(
        _ database: Database, groups: [LogGroup: GroupState], catalog: CatalogState
    ) throws(ApplyError) -> ApplyTurn {
        do {
            return try ApplyTurn(database: database, groups: groups, catalog: catalog)
        } catch {
            throw .storage(error)
        }
    }

    fileprivate mutating func finish() throws(ApplyError) {
        do {
            try write()
        } catch {
            throw .storage(error)
        }
    }
}
