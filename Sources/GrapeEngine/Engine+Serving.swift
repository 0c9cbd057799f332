import GrapeIndex
import GrapeModel
import GrapeStorage

/// What reads go by.
extension Engine {
    /// The last entry of the group whose work is in the store.
    package func appliedIndex(of group: LogGroup) -> LogIndex {
        serving.withLock { $0.groups[group]?.applied ?? LogIndex(0) }
    }

    /// How far the replica of a group has come; nil where this node has none.
    package func state(of group: LogGroup) -> GroupState? { serving.withLock { $0.groups[group] } }

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
    package var collections: [Collection] { serving.withLock { $0.ready } }

    /// All collections that get points, those that restores fill among them, in the order of their ids.
    package var filledCollections: [Collection] { serving.withLock { $0.filled } }

    /// Points that wait for the graph, in the index where they are most: a search compares each of them.
    package var indexBacklog: Int {
        filledCollections.reduce(0) { $1.indexes.reduce($0) { max($0, $1.counts.tail) } }
    }

    /// The collection of this id, if it takes writes.
    package func collection(_ id: CollectionID) -> Collection? { collections.first { $0.schema.id == id } }

    /// The collection of this id, if a restore fills it, and the catalog version at which it does.
    package func restoring(_ id: CollectionID) throws(GrapeError) -> (collection: Collection, version: CatalogVersion) {
        let found: (Collection, CatalogVersion)? = serving.withLock { serving in
            guard serving.catalog.entry(id)?.phase == .restoring, let collection = serving.collections[id] else {
                return nil
            }
            return (collection, serving.catalog.version)
        }
        guard let found else { throw GrapeError(.collectionNotFound, "no restore fills collection \(id)") }
        return found
    }

    /// Whether anything is known of the catalog here. A node that joins waits for it; where a replica makes room for
    /// another one, what it knew goes on counting until that has come.
    package var hasCatalog: Bool {
        serving.withLock { serving in
            let applied = serving.groups[.catalog]?.applied ?? LogIndex(0)
            return applied > LogIndex(0) || serving.catalog.version > CatalogVersion(0)
        }
    }

    /// The catalog as it is applied here.
    package var catalog: CatalogState { serving.withLock { $0.catalog } }

    package func shard(of id: PointID, in collection: CollectionID) -> ShardID {
        ShardHash.shard(of: id.encoded, in: collection, count: shardCount)
    }

    func prefix(_ shard: ShardID, _ collection: CollectionID) -> RowKeyPrefix {
        let generation = serving.withLock { $0.generations[Int(shard.rawValue)] }
        return RowKeyPrefix(shard: shard, generation: generation, collection: collection)
    }

    /// Puts another catalog in the place of the one that entries have made: a snapshot of the catalog's group whose rows
    /// are in the store.
    package func replaceCatalog(_ catalog: CatalogState, _ state: GroupState) throws(GrapeError) {
        do throws(ApplyError) {
            try exclusively([.catalog]) { () throws(ApplyError) in
                serving.withLock { $0.hold(.catalog, state) }
                _ = try serve(catalog)
            }
        } catch {
            throw GrapeError(error)
        }
        builder.wake()
    }

    /// Makes a catalog the one in force. The caller holds all lanes. Collections that are new here may have rows already,
    /// since the logs of shards don't wait for the catalog's. -> collections whose rows have been read.
    func serve(_ catalog: CatalogState) throws(ApplyError) -> Set<CollectionID> {
        let (known, generations) = serving.withLock { ($0.collections, $0.heldGenerations) }
        var collections: [CollectionID: Collection] = [:]
        var loaded: Set<CollectionID> = []
        for entry in catalog.sortedEntries where entry.phase != .dropping {
            let id = entry.schema.id
            if let known = known[id] {
                collections[id] = known
            } else if try hasRows(id, generations) {
                collections[id] = try CollectionLoad(
                    database: database, schema: entry.schema, generations: generations, clock: clock, logger: logger
                ).run().collection
                loaded.insert(id)
            } else {
                collections[id] = try newCollection(entry.schema)
            }
        }
        serving.withLock { serving in
            serving.catalog = catalog
            serving.setCollections(collections)
        }
        return loaded
    }

    private func newCollection(_ schema: CollectionSchema) throws(ApplyError) -> Collection {
        do {
            return try Collection(schema: schema, clock: clock)
        } catch {
            throw .index(error)
        }
    }

    private func hasRows(
        _ collection: CollectionID, _ generations: [(ShardID, ReplicaGeneration)]
    ) throws(ApplyError) -> Bool {
        do throws(StorageError) {
            for (shard, generation) in generations {
                let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: collection)
                if try RowDigest.read(prefix, database).points > 0 { return true }
            }
            return false
        } catch {
            throw .storage(error)
        }
    }
}
