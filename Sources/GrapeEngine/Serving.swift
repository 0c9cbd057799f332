import GrapeModel

/// What reads and searches go by: a value that apply and the coming and going of replicas change step by step.
struct Serving: Sendable {
    var catalog: CatalogState
    private(set) var collections: [CollectionID: Collection]
    /// Those that take writes, in the order of their ids.
    private(set) var ready: [Collection] = []
    /// Those that get points: the hidden ones of restores too.
    private(set) var filled: [Collection] = []
    /// The groups of which this node has a replica, as of their last batch.
    var groups: [LogGroup: GroupState]
    /// Shards that are held.
    private(set) var held = ShardSet()
    /// Shards of which rows and index points do not make a whole: they are on their way in or out.
    private(set) var hidden = ShardSet()
    /// Shards whose replica was set aside: their rows are not read.
    private(set) var aside = ShardSet()
    /// Shards that are held and not hidden.
    private(set) var served = ShardSet()
    /// The generation of each shard whose rows count; 0, which none has, where the shard isn't held.
    private(set) var generations: [ReplicaGeneration]

    init(
        shardCount: Int, catalog: CatalogState, collections: [CollectionID: Collection], groups: [LogGroup: GroupState]
    ) {
        self.catalog = catalog
        self.collections = collections
        self.groups = groups
        generations = [ReplicaGeneration](repeating: ReplicaGeneration(0), count: shardCount)
        setCollections(collections)
        regroup()
    }

    mutating func setCollections(_ collections: [CollectionID: Collection]) {
        self.collections = collections
        ready = catalog.sortedEntries.compactMap { $0.phase == .ready ? collections[$0.schema.id] : nil }
        filled = catalog.sortedEntries.compactMap { entry in
            entry.phase == .ready || entry.phase == .restoring ? collections[entry.schema.id] : nil
        }
    }

    mutating func hold(_ group: LogGroup, _ state: GroupState?) {
        groups[group] = state
        if state == nil, case .shard(let shard) = group { aside.remove(shard) }
        regroup()
    }

    mutating func setAside(_ shard: ShardID) {
        aside.insert(shard)
        hide(shard, true)
    }

    mutating func hide(_ shard: ShardID, _ isHidden: Bool) {
        if isHidden { hidden.insert(shard) } else { hidden.remove(shard) }
        regroup()
    }

    private mutating func regroup() {
        held = ShardSet()
        served = ShardSet()
        for number in generations.indices {
            let shard = ShardID(UInt16(number))
            generations[number] = groups[.shard(shard)]?.generation ?? ReplicaGeneration(0)
            guard groups[.shard(shard)] != nil else { continue }
            held.insert(shard)
            if !hidden.contains(shard) { served.insert(shard) }
        }
    }
}
