import GrapeIndex
import GrapeModel
import GrapeStorage

extension ApplyTurn {
    /// Applies one entry: all of it, or nothing but the step of its group. Entries of a group that this node doesn't hold
    /// are passed over: its replica was dropped while they waited.
    mutating func apply(_ entry: CommittedEntry) throws(ApplyError) -> ApplyOutcome {
        guard let state = groups[entry.group] else { return .nothing }
        guard entry.index == state.applied.next else {
            throw .gap(group: entry.group, applied: state.applied, next: entry.index)
        }
        change(entry.group) { state in
            state.applied = entry.index
            state.appliedTerm = entry.term
            if case .configuration(let bytes) = entry.content { state.configuration = bytes }
        }
        guard case .command(let bytes) = entry.content else { return .nothing }
        switch entry.group {
        case .catalog:
            guard let command = CatalogCommand(encoded: bytes) else { throw unknown(entry) }
            return .catalog(apply(command))
        case .shard(let shard):
            guard let write = LogEntry(encoded: bytes) else { throw unknown(entry) }
            return try apply(write, shard: shard, index: entry.index)
        }
    }

    private func unknown(_ entry: CommittedEntry) -> ApplyError {
        .unknownEntry(group: entry.group, index: entry.index)
    }

    /// Carries out a whole command, if it was meant for the shard as it is.
    mutating func perform(
        _ entry: LogEntry, shard: ShardID, state: GroupState, index: LogIndex
    ) throws(ApplyError) -> ApplyOutcome {
        guard entry.epoch == state.epoch else { return .staleEpoch(state.epoch) }
        if case .fence(let version, let dropping) = entry.command {
            change(.shard(shard)) { $0.fence = max($0.fence, version) }
            if let dropping {
                removeAll(RowKeyPrefix(shard: shard, generation: state.generation, collection: dropping))
            }
            return .fenced
        }
        if case .check = entry.command { return .checked(index) }
        guard entry.catalogVersion >= state.fence else { return .staleCatalog(state.fence) }
        do throws(StorageError) {
            guard !entry.idempotencyKey.isEmpty else {
                return try carryOut(entry.command, shard: shard, generation: state.generation, index: index)
            }
            return try carryOutOnce(entry, shard: shard, generation: state.generation, index: index)
        } catch {
            throw .storage(error)
        }
    }

    private mutating func carryOutOnce(
        _ entry: LogEntry, shard: ShardID, generation: ReplicaGeneration, index: LogIndex
    ) throws(StorageError) -> ApplyOutcome {
        let key = StateKey.remembered(shard, generation, key: entry.idempotencyKey)
        let fingerprint = entry.command.fingerprint
        if let known = try rememberedWrite(key) {
            return known.fingerprint == fingerprint ? known.outcome : .keyReused
        }
        let outcome = try carryOut(entry.command, shard: shard, generation: generation, index: index)
        if let write = RememberedWrite(fingerprint: fingerprint, outcome: outcome) {
            try remember(write, key: key, shard: shard, generation: generation, index: index)
        }
        return outcome
    }

    private mutating func carryOut(
        _ command: ShardCommand, shard: ShardID, generation: ReplicaGeneration, index: LogIndex
    ) throws(StorageError) -> ApplyOutcome {
        switch command {
        case .upsert(let collection, let points):
            let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: collection)
            for point in points { try put(point, prefix: prefix, version: index) }
            return .upserted(points.count)
        case .delete(let collection, let ids):
            let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: collection)
            var found: [Bool] = []
            for id in ids { found.append(try remove(id, prefix: prefix)) }
            return .deleted(found)
        case .fence, .piece, .check:
            preconditionFailure("fences are raised, pieces put together and checks answered before")
        }
    }
}

/// Why a replica can't go on applying.
package enum ApplyError: Error, Sendable {
    case storage(StorageError)
    /// An entry of a newer build, or a damaged one that its checksum let through.
    case unknownEntry(group: LogGroup, index: LogIndex)
    case gap(group: LogGroup, applied: LogIndex, next: LogIndex)
    /// No memory, or no ordinal, is left for an index.
    case index(IndexError)
}

extension ShardCommand {
    /// Hash of the command with seed 2.
    fileprivate var fingerprint: UInt64 {
        var bytes: [UInt8] = [kind]
        encode(into: &bytes)
        return XXH64.hash(bytes, seed: 2)
    }
}
