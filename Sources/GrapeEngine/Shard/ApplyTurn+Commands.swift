import GrapeIndex
import GrapeModel
import GrapeStorage

extension ApplyTurn {
    /// Applies one entry: all of it, or nothing but the step of its group.
    mutating func apply(_ entry: CommittedEntry) throws(ApplyError) -> ApplyOutcome {
        var state = groups[entry.group] ?? GroupState()
        guard entry.index == state.applied.next else {
            throw .gap(group: entry.group, applied: state.applied, next: entry.index)
        }
        state.applied = entry.index
        state.appliedTerm = entry.term
        if case .configuration(let bytes) = entry.content { state.configuration = bytes }
        groups[entry.group] = state
        guard case .command(let bytes) = entry.content else { return .nothing }
        do {
            switch entry.group {
            case .catalog:
                guard let command = CatalogCommand(encoded: bytes) else { throw unknown(entry) }
                return .catalog(apply(command))
            case .shard(let shard):
                guard let write = LogEntry(encoded: bytes) else { throw unknown(entry) }
                return try apply(write, shard: shard, index: entry.index)
            }
        } catch let error as StorageError {
            throw .storage(error)
        } catch let error as ApplyError {
            throw error
        } catch {
            preconditionFailure("apply throws typed errors only: \(error)")
        }
    }

    private func unknown(_ entry: CommittedEntry) -> ApplyError {
        .unknownEntry(group: entry.group, index: entry.index)
    }

    private mutating func apply(
        _ entry: LogEntry, shard: ShardID, index: LogIndex
    ) throws(StorageError) -> ApplyOutcome {
        let generation = groups[.shard(shard)]?.generation ?? .first
        if case .fence(let version, let dropping) = entry.command {
            raiseFence(shard, to: version)
            if let dropping { removeAll(RowKeyPrefix(shard: shard, generation: generation, collection: dropping)) }
            return .fenced
        }
        let fence = groups[.shard(shard)]?.fence ?? CatalogVersion(0)
        guard entry.catalogVersion >= fence else { return .staleCatalog(fence) }
        guard !entry.idempotencyKey.isEmpty else {
            return try carryOut(entry.command, shard: shard, generation: generation, index: index)
        }
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

    private mutating func raiseFence(_ shard: ShardID, to version: CatalogVersion) {
        var state = groups[.shard(shard)] ?? GroupState()
        state.fence = max(state.fence, version)
        groups[.shard(shard)] = state
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
        case .fence: preconditionFailure("fences are raised above")
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
