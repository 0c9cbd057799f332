import GrapeEngine
import GrapeModel

/// A collection on its way in or out: the steps after the first are the same whoever takes them, and may be taken twice.
struct CatalogChange: Sendable {
    let id: CollectionID
    let version: CatalogVersion
    let phase: CatalogEntry.Phase
}

extension Router {
    /// Commits one entry of the catalog. -> its outcome.
    package func commit(
        _ command: CatalogCommand, deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> CatalogOutcome {
        switch await commit([RoutedWrite(group: .catalog, entries: [command.encoded])], deadline: deadline)[0] {
        case .applied(.catalog(let outcome)): return outcome
        case .refused(let error): throw error
        // Another outcome is none of the catalog's: whoever answered has it not, or is of another build.
        case .applied, .unknown:
            throw GrapeError(
                .outcomeUnknown, "no answer came in time: the catalog may have been changed, or may yet be")
        }
    }

    /// Puts the fence into every shard, then tells the catalog. What fails here is finished by the driver of the node that
    /// leads the catalog; the caller can only be told that it is not known.
    func finish(_ change: CatalogChange, deadline: ContinuousClock.Instant) async throws(GrapeError) {
        let isDropping = change.phase == .dropping
        let writes = (0..<engine.shardCount).map { number -> (RoutedWrite, WriteOrigin) in
            let group = LogGroup.shard(ShardID(UInt16(number)))
            let origin = origins.open(group)
            let entry = LogEntry(
                catalogVersion: change.version, epoch: engine.epoch(of: ShardID(UInt16(number))), origin: origin,
                command: .fence(change.version, dropping: isDropping ? change.id : nil))
            return (RoutedWrite(group: group, entries: entry.encodedPieces), origin)
        }
        let fates = await commit(writes.map(\.0), deadline: deadline)
        for (write, origin) in writes { origins.close(origin, write.group) }
        for fate in fates {
            guard case .applied(.fenced) = fate else { throw unfinished(isDropping, fate) }
        }
        do {
            _ = try await commit(isDropping ? .dropped(change.id) : .created(change.id), deadline: deadline)
        } catch {
            throw unfinished(isDropping, .refused(error))
        }
    }

    private func unfinished(_ isDropping: Bool, _ fate: WriteFate) -> GrapeError {
        let reason = if case .refused(let error) = fate { ": \(error.message)" } else { "" }
        return GrapeError(
            .outcomeUnknown,
            "the collection is being \(isDropping ? "dropped" : "made"), which goes on by itself\(reason)")
    }

    /// Points of a collection in all shards: counted here where this node holds them, else by those that do.
    package func pointCount(
        _ collection: CollectionID, deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> Int {
        var excluded: Set<NodeNumber> = []
        while let cover = SearchCover.find(cluster.holders(excluding: excluded), first: cluster.node) {
            var count = 0
            let before = excluded
            for (node, shards) in cover {
                if let points = await pointCount(collection, shards, node, deadline) {
                    count += points
                } else {
                    excluded.insert(node)
                }
            }
            if excluded == before { return count }
        }
        throw GrapeError(.unavailable, "some shards have no replica that this node can reach", retryAfterSeconds: 1)
    }

    /// nil where the node does not answer for all of the shards.
    private func pointCount(
        _ collection: CollectionID, _ shards: ShardSet, _ node: NodeNumber, _ deadline: ContinuousClock.Instant
    ) async -> Int? {
        guard node != cluster.node else { return try? engine.pointCount(collection, shards: shards) }
        guard case .count(let points)? = try? await ask(.count(collection, shards), node, lane: .quick, deadline) else {
            return nil
        }
        return points
    }
}
