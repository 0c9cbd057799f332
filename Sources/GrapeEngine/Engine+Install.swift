import Dispatch
import GrapeIndex
import GrapeModel
import GrapeStorage

/// Rows that came as a whole take the place of those that entries have made.
extension Engine {
    /// Whether rows of the shard are held, but not all of them in the indexes yet: this node does not answer for it.
    package func isInstalling(_ shard: ShardID) -> Bool {
        serving.withLock { $0.held.contains(shard) && !$0.served.contains(shard) }
    }

    /// The rows of a shard that reads and apply go by; 0 where it isn't held.
    package func generation(of group: LogGroup) -> ReplicaGeneration {
        guard case .shard(let shard) = group else { return ReplicaGeneration(0) }
        return serving.withLock { $0.generations[Int(shard.rawValue)] }
    }

    /// Takes up a group whose new state is durable, on the thread that applies it, between two of its entries. Apply
    /// goes on at once from the new state. A shard is not answered for until its rows are in the indexes, which takes
    /// its time, on a thread of its own or before this returns.
    package func adopt(
        _ group: LogGroup, _ state: GroupState, catalog: CatalogState? = nil, inBackground: Bool = false
    ) throws(GrapeError) {
        switch group {
        case .catalog:
            guard let catalog else { return hold([group: state]) }
            try adopt(catalog, state)
        case .shard(let shard):
            exclusively([group]) {
                serving.withLock { serving in
                    serving.hide(shard, true)
                    serving.hold(group, state)
                }
                forgetOrigins(shard)
            }
            let load = InstalledRows(engine: self, shard: shard, generation: state.generation)
            if inBackground { load.start() } else { try load.run() }
        }
    }

    private func adopt(_ catalog: CatalogState, _ state: GroupState) throws(GrapeError) {
        let before = self.catalog.sortedEntries.map(\.schema.id)
        try replaceCatalog(catalog, state)
        faults.forget(.catalog)
        try storing { () throws(StorageError) in
            var batch = try database.makeBatch()
            for id in before where catalog.entry(id) == nil {
                batch.deleteRange(
                    .indexCheckpoints, from: CheckpointKey.lowerBound(id), to: CheckpointKey.upperBound(id))
            }
            try database.write(batch)
        }
    }

    // MARK: Leftovers

    /// At start: rows of the shards held here that neither count nor are being received. A crash may have come before
    /// they were deleted.
    package func deleteUnusedGenerations() throws(StorageError) {
        for shard in heldShards.sorted {
            let receiving = try ShardImport.receiving(.shard(shard), database)?.0
            try deleteUnusedGenerations(of: shard, but: receiving)
        }
    }

    /// Deletes what a shard has beside the generation that counts, the one given, and one that was set aside.
    func deleteUnusedGenerations(of shard: ShardID, but kept: ReplicaGeneration? = nil) throws(StorageError) {
        let used = [generation(of: .shard(shard)), kept, quarantines[shard]?.generation].compactMap { $0 }
            .filter { $0.rawValue > 0 }.sorted()
        var first: UInt32 = 0
        for generation in used {
            try deleteGenerations(of: shard, first..<max(first, generation.rawValue))
            first = generation.rawValue + 1
        }
        try deleteGenerations(of: shard, first..<UInt32.max)
    }

    private func deleteGenerations(of shard: ShardID, _ generations: Range<UInt32>) throws(StorageError) {
        let (first, end) = (ReplicaGeneration(generations.lowerBound), ReplicaGeneration(generations.upperBound))
        let from = RowKeyPrefix(shard: shard, generation: first, collection: CollectionID(0)).lowerBound
        let to = RowKeyPrefix(shard: shard, generation: end, collection: CollectionID(0)).lowerBound
        for family in [ColumnFamily.vectors, .payloads] where try hasRows(family, from, to) {
            try database.dropRange(family, from: from, to: to)
        }
        for tag in [0x02] + ExportedRow.Kind.allCases.filter({ $0 != .catalog }).map(\.rawValue) {
            let (from, to) = ([tag] + from.prefix(6), [tag] + to.prefix(6))
            if try hasRows(.state, from, to) { try database.deleteRange(.state, from: from, to: to) }
        }
    }

    private func hasRows(_ family: ColumnFamily, _ from: [UInt8], _ to: [UInt8]) throws(StorageError) -> Bool {
        var cursor = try database.cursor(family, from: from, to: to)
        try cursor.seekToFirst()
        return cursor.isValid
    }
}
