import GrapeEngine
import GrapeModel

// How a backup comes back: into hidden collections, which get their names all at once when everything is in them.

extension Node {
    /// Makes a hidden collection for a restore. -> its id.
    package func beginRestore(_ name: String, vectors: [VectorSchema]) async throws(GrapeError) -> CollectionID {
        try refuseIfIsolated()
        try refuseIfFull()
        try options.limits.check(collectionName: name, vectors: vectors)
        let deadline = self.deadline
        let begun = try await router.commit(.restore(name: name, vectors: vectors), deadline: deadline)
        guard case .done(let id, _) = begun else {
            throw GrapeError(.internalError, "the catalog did not begin to restore collection \(name)")
        }
        return id
    }

    /// Writes points into a hidden collection. Repeating it does no harm.
    package func restore(_ points: [ExportedPoint], into id: CollectionID) async throws(GrapeError) {
        try refuseIfIsolated()
        try refuseIfFull()
        guard !points.isEmpty else { return }
        try options.limits.check(points.count, "number of points in a batch", in: 1...Limits.restoreBatchMax)
        let deadline = self.deadline
        let target = try await restoreTarget(id, deadline)
        var writes: [ShardID: [PointWrite]] = [:]
        for point in points {
            guard point.isWhole, let canonical = PointID(encoded: point.id) else {
                throw GrapeError(.invalidRequest, "a point of the backup does not have the hash it was written with")
            }
            let write = PointWrite(
                id: WrittenID(id: canonical, form: point.row.form), vectorBlock: point.vectorBlock,
                payload: point.row.payload)
            try check(write, target.collection.schema)
            writes[engine.shard(of: canonical, in: id), default: []].append(write)
        }
        _ = try await write(
            writes.mapValues { ShardWrite(command: .upsert(id, $0), points: $0.count) }, to: target, key: [],
            deadline: deadline)
    }

    /// This node may not have heard of it yet.
    private func restoreTarget(
        _ id: CollectionID, _ deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> Target {
        if let known = try? engine.restoring(id) {
            return Target(collection: known.collection, version: known.version, isRestoring: true)
        }
        try await consensus.barrier([.catalog], deadline: deadline)
        let (collection, version) = try engine.restoring(id)
        return Target(collection: collection, version: version, isRestoring: true)
    }

    /// The index trusts what it is given.
    private func check(_ write: PointWrite, _ schema: CollectionSchema) throws(GrapeError) {
        let vectors = VectorBlock.decode(write.vectorBlock.span) ?? []
        guard !vectors.isEmpty, vectors.allSatisfy({ Int($0.position) < schema.vectors.count }) else {
            throw GrapeError(.invalidVector, "point \(write.id.text) has vectors that its collection has not")
        }
        for vector in vectors {
            try schema.vectors[Int(vector.position)].check(vector.values, collection: schema.name)
        }
    }

    /// Points of a hidden collection in a shard and the sum of their content hashes, read from the rows.
    package func restoredContent(_ id: CollectionID, _ shard: ShardID) async throws(GrapeError) -> RowDigest {
        try refuseIfIsolated()
        guard Int(shard.rawValue) < options.shardCount else {
            throw GrapeError(.invalidRequest, "there is no shard \(shard)")
        }
        return try await router.contentDigest(shard, id, pool: pool, deadline: deadline)
    }

    /// Gives hidden collections their names, all in one step.
    /// - Parameter replacing: Collections that have the names are dropped; otherwise they are a conflict.
    package func publish(_ ids: [CollectionID], replacing: Bool) async throws(GrapeError) {
        try refuseIfIsolated()
        let deadline = self.deadline
        switch try await router.commit(.publish(ids, replacing: replacing), deadline: deadline) {
        case .published(let changed, _):
            let catalog = try await catalog(deadline)
            for case let entry? in changed.map(catalog.entry) where entry.phase == .dropping {
                try await router.finish(
                    CatalogChange(id: entry.schema.id, version: entry.version, phase: .dropping), deadline: deadline)
            }
        case .exists(let id):
            let name = try await catalog(deadline).entry(id)?.schema.name ?? "of the backup"
            throw GrapeError(.conflict, "collection \(name) exists already")
        default: throw GrapeError(.collectionNotFound, "the restore was given up: its collections are gone")
        }
    }

    /// Gives up a hidden collection.
    package func discardRestore(_ id: CollectionID) async throws(GrapeError) {
        let deadline = self.deadline
        guard case .done(_, let version) = try await router.commit(.discard(id), deadline: deadline) else { return }
        try await router.finish(CatalogChange(id: id, version: version, phase: .dropping), deadline: deadline)
    }

    private func catalog(_ deadline: ContinuousClock.Instant) async throws(GrapeError) -> CatalogState {
        try await consensus.barrier([.catalog], deadline: deadline)
        return engine.catalog
    }
}
