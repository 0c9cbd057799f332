import GrapeModel
import GrapeStorage

/// Which groups this node has replicas of, and how these begin and end.
extension Engine {
    /// Shards of which this node has a replica.
    package var heldShards: ShardSet { serving.withLock { $0.held } }

    /// Shards that this node answers for: those held, but for those whose rows are on their way in or out.
    package var servedShards: ShardSet { serving.withLock { $0.served } }

    package func holds(_ shard: ShardID) -> Bool { heldShards.contains(shard) }

    /// The shard's epoch as applied here, which new entries carry.
    package func epoch(of shard: ShardID) -> ShardEpoch {
        serving.withLock { $0.groups[.shard(shard)]?.epoch ?? .first }
    }

    /// The state of a replica that begins on this node: its rows go into a generation of their own. What may be left of
    /// earlier replicas goes.
    package func newGroupState(
        _ group: LogGroup, applied: LogIndex, term: UInt64, configuration: [UInt8]
    ) throws(StorageError) -> GroupState {
        var state = GroupState()
        state.applied = applied
        state.appliedTerm = term
        state.configuration = configuration
        guard case .shard(let shard) = group else { return state }
        state.generation = try nextGeneration(of: shard)
        if state.generation > .first { try deleteGenerations(of: shard, below: state.generation) }
        return state
    }

    /// A generation of the shard that was never used on this node. It is noted before anybody can use it: the note lies in
    /// the store's log before whatever is written under the generation.
    package func nextGeneration(of shard: ShardID) throws(StorageError) -> ReplicaGeneration {
        let result = newestGenerations.withLock { newest -> Result<ReplicaGeneration, StorageError> in
            let next = ReplicaGeneration((newest[shard]?.rawValue ?? 0) + 1)
            do throws(StorageError) {
                var batch = try database.makeBatch()
                batch.put(.state, key: StateKey.newestGeneration(shard), value: next.encoded)
                try database.write(batch)
            } catch {
                return .failure(error)
            }
            newest[shard] = next
            return .success(next)
        }
        return try result.get()
    }

    /// Takes up replicas whose state is in the store: they begin on this node.
    /// - Parameter areEmpty: They wait for their group's leader: nobody is answered from their shards before rows came, by
    ///   `adopt`. Who asks may go by an earlier replica, which this node had a moment ago.
    package func hold(_ states: [LogGroup: GroupState], areEmpty: Bool = false) {
        exclusively(states.keys) {
            serving.withLock { serving in
                for (group, state) in states {
                    if areEmpty, case .shard(let shard) = group { serving.hide(shard, true) }
                    serving.hold(group, state)
                }
            }
            for case .shard(let shard) in states.keys { forgetOrigins(shard) }
        }
    }

    /// Ends a replica: entries that still come are passed over; rows of all generations, what goes with them and the
    /// points of the indexes are deleted. Repeating it does no harm.
    package func release(_ group: LogGroup) throws(GrapeError) {
        let newest = newestGeneration(of: group)
        try storing { () throws(StorageError) in
            try exclusively([group]) { () throws(StorageError) in
                serving.withLock { serving in
                    serving.hold(group, nil)
                    if case .shard(let shard) = group { serving.hide(shard, true) }
                }
                if case .shard(let shard) = group { forgetOrigins(shard) }
                faults.forget(group)
                var batch = try database.makeBatch()
                batch.delete(.state, key: StateKey.group(group))
                try database.write(batch)
            }
        }
        guard case .shard(let shard) = group else { return }
        removeIndexPoints(of: shard)
        show(shard)
        try storing { () throws(StorageError) in
            try deleteGenerations(of: shard, below: ReplicaGeneration(newest.rawValue + 1))
        }
    }

    private func newestGeneration(of group: LogGroup) -> ReplicaGeneration {
        guard case .shard(let shard) = group else { return .first }
        return newestGenerations.withLock { $0[shard] ?? .first }
    }

    /// Leaves a shard out of searches, reads and counts while its rows and index points do not make a whole.
    package func hide(_ shard: ShardID) { serving.withLock { $0.hide(shard, true) } }

    package func show(_ shard: ShardID) { serving.withLock { $0.hide(shard, false) } }

    /// Deletes a shard's rows, and what goes with them, of all generations below this one, but for one that was set aside.
    package func deleteGenerations(of shard: ShardID, below generation: ReplicaGeneration) throws(StorageError) {
        try Self.deleteGenerations(of: shard, below: generation, but: quarantines[shard]?.generation, database)
    }

    static func deleteGenerations(
        of shard: ShardID, below generation: ReplicaGeneration, but kept: ReplicaGeneration? = nil, _ database: Database
    ) throws(StorageError) {
        let zero = ReplicaGeneration(0)
        guard let kept, kept < generation else {
            return try deleteGenerations(of: shard, from: zero, below: generation, database)
        }
        try deleteGenerations(of: shard, from: zero, below: kept, database)
        try deleteGenerations(of: shard, from: ReplicaGeneration(kept.rawValue + 1), below: generation, database)
    }

    private static func deleteGenerations(
        of shard: ShardID, from first: ReplicaGeneration, below generation: ReplicaGeneration, _ database: Database
    ) throws(StorageError) {
        guard first < generation else { return }
        let from = RowKeyPrefix(shard: shard, generation: first, collection: CollectionID(0)).lowerBound
        let to = RowKeyPrefix(shard: shard, generation: generation, collection: CollectionID(0)).lowerBound
        for family in [ColumnFamily.vectors, .payloads] { try database.dropRange(family, from: from, to: to) }
        var batch = try database.makeBatch()
        for range in StateKey.generations(of: shard, from: first, below: generation) {
            batch.deleteRange(.state, from: range.from, to: range.to)
        }
        try database.write(batch)
    }

    /// Takes the points of a shard out of all indexes, in steps; those that come meanwhile stay.
    package func removeIndexPoints(of shard: ShardID) { removeIndexPoints(of: shard) { step in step() } }

    /// - Parameter run: carries out a step, which tells whether there is more; where it does not, nothing is removed.
    func removeIndexPoints(of shard: ShardID, _ run: (() -> Bool) -> Bool) {
        let collections = serving.withLock { Array($0.collections.values) }
        for index in collections.flatMap(\.indexes) {
            var next: UInt32 = 0
            while run({ index.killPoints(ofShard: shard.rawValue, from: &next, max: Self.removalStep) }) {}
        }
        builder.wake()
    }

    /// Ordinals of an index that are looked at under one stamp.
    private static let removalStep = 4_096
}

extension Serving {
    /// The shards that are held and not set aside, in their order, with the generation of each.
    var heldGenerations: [(ShardID, ReplicaGeneration)] {
        held.sorted.filter { !aside.contains($0) }.map { ($0, generations[Int($0.rawValue)]) }
    }
}
