import GrapeModel

/// A log of its own order: one for each shard, one for the catalog.
package enum LogGroup: Sendable, Hashable {
    case shard(ShardID)
    case catalog

    /// Number in keys: shards have their own, the catalog the highest.
    package var number: UInt16 {
        switch self {
        case .shard(let shard): shard.rawValue
        case .catalog: .max
        }
    }

    /// The shards' groups in their order, then the catalog's.
    package static func all(shardCount: Int) -> [LogGroup] {
        (0..<shardCount).map { .shard(ShardID(UInt16($0))) } + [.catalog]
    }
}

/// An entry that is to be proposed, with the group whose log takes it.
package struct Proposal: Sendable {
    package let group: LogGroup
    package let entry: [UInt8]

    package init(group: LogGroup, entry: [UInt8]) {
        self.group = group
        self.entry = entry
    }

    /// Whether this build could apply the entry.
    package var isKnown: Bool {
        switch group {
        case .shard: LogEntry.isKnown(entry)
        case .catalog: CatalogCommand(encoded: entry) != nil
        }
    }
}

/// An entry that is durable and has its place.
package struct CommittedEntry: Sendable {
    package enum Content: Sendable, Hashable {
        /// A `LogEntry`, or in the catalog a `CatalogCommand`, encoded.
        case command([UInt8])
        /// Nothing but a step of the index: what a new leader begins with.
        case empty
        /// From here on this configuration of replicas is in force; opaque to the engine, kept with the applied index.
        case configuration([UInt8])
    }

    package let group: LogGroup
    package let index: LogIndex
    package let term: UInt64
    package let content: Content

    package init(group: LogGroup, index: LogIndex, term: UInt64, content: Content) {
        self.group = group
        self.index = index
        self.term = term
        self.content = content
    }
}

/// What applying an entry came to.
package enum ApplyOutcome: Sendable, Hashable {
    /// So many points were written.
    case upserted(Int)
    /// Which of the ids named in the entry were there.
    case deleted([Bool])
    case fenced
    /// Resolved under a catalog older than the shard's fence, which stands at this version: resolve it again.
    case staleCatalog(CatalogVersion)
    /// The idempotency key was used before for another write.
    case keyReused
    /// Meant for the shard as it was before it was begun anew; it is in this epoch now.
    case staleEpoch(ShardEpoch)
    /// Its outcome, if it had one, is remembered no more: whoever sent it has said that it has its answer.
    case forgotten
    /// A piece of a command that lacks others yet.
    case pending
    case catalog(CatalogOutcome)
    /// A consistency check that was at this index, also where it is met again.
    case checked(LogIndex)
    /// An entry that holds no command.
    case nothing
}
