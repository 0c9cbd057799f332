import GrapeEngine
import GrapeModel

/// What a write of points came to.
package struct UpsertResult: Sendable {
    /// Points written: of one id twice in a batch only the last counts.
    package let count: Int
    /// The shard of each point given.
    package let shards: [ShardID]
}

extension Node {
    /// Times that a write is resolved anew because the catalog changed on its way.
    private static let resolutionsMax = 10

    /// Writes points, new or not. All are checked before any is written; they are durable and visible to searches on
    /// return. Atomic in a shard.
    package func upsert(
        _ points: [Point], into name: String, idempotencyKey: String? = nil
    ) async throws(GrapeError) -> UpsertResult {
        try refuseIfDown()
        try refuseIfFull()
        guard !points.isEmpty else { return UpsertResult(count: 0, shards: []) }
        try options.limits.check(points.count, "number of points in a batch", in: 1...options.limits.maxBatchSize)
        let key = try checked(idempotencyKey)
        var (collection, version) = try await resolve(name, creatingFor: points)
        for point in points {
            try point.check(against: collection.schema.vectors, collection: name, limits: options.limits)
        }
        let shards = points.map { engine.shard(of: $0.id.id, in: collection.schema.id) }
        var writes = lastOfEachID(points, shards: shards, schema: collection.schema)
        let count = writes.reduce(0) { $0 + $1.value.count }
        for _ in 0..<Self.resolutionsMax {
            let open = writes.sorted { $0.key < $1.key }
            let outcomes = try await commit(open.map(\.key), version: version, key: key) { place in
                .upsert(collection.schema.id, open[place].value)
            }
            for (place, outcome) in outcomes.enumerated() where !outcome.isStale { writes[open[place].key] = nil }
            if writes.isEmpty { return UpsertResult(count: count, shards: shards) }
            (collection, version) = try resolveAgain(name, was: collection)
        }
        throw changing(name)
    }

    /// Removes points. -> which of them were there.
    package func delete(
        _ ids: [PointID], from name: String, idempotencyKey: String? = nil
    ) async throws(GrapeError) -> [Bool] {
        try refuseIfDown()
        try options.limits.check(ids.count, "number of ids", in: 1...options.limits.maxBatchSize)
        let key = try checked(idempotencyKey)
        var (collection, version) = try engine.resolve(name)
        var places: [ShardID: [Int]] = [:]
        for (place, id) in ids.enumerated() {
            places[engine.shard(of: id, in: collection.schema.id), default: []].append(place)
        }
        var found = [Bool](repeating: false, count: ids.count)
        for _ in 0..<Self.resolutionsMax {
            let open = places.sorted { $0.key < $1.key }
            let outcomes = try await commit(open.map(\.key), version: version, key: key) { place in
                .delete(collection.schema.id, open[place].value.map { ids[$0] })
            }
            for (shard, outcome) in zip(open, outcomes) {
                guard case .deleted(let deleted) = outcome else { continue }
                for (place, wasThere) in zip(shard.value, deleted) { found[place] = wasThere }
                places[shard.key] = nil
            }
            if places.isEmpty { return found }
            (collection, version) = try resolveAgain(name, was: collection)
        }
        throw changing(name)
    }

    /// The point; nil where there is none.
    package func point(
        _ id: PointID, in name: String, consistency: Consistency = .strong
    ) async throws(GrapeError) -> Point? {
        try refuseIfDown()
        let (collection, _) = try engine.resolve(name)
        return try await pool.run { () throws(GrapeError) in try self.engine.point(id, in: collection) }
    }

    // MARK: Parts

    private func commit(
        _ shards: [ShardID], version: CatalogVersion, key: [UInt8], _ command: (Int) -> ShardCommand
    ) async throws(GrapeError) -> [ApplyOutcome] {
        let proposals = shards.enumerated().map { place, shard in
            let entry = LogEntry(
                catalogVersion: version, origin: origins.next(), idempotencyKey: key, command: command(place))
            return Proposal(group: .shard(shard), entry: entry.encoded)
        }
        let outcomes = try await log.commit(proposals)
        guard !outcomes.contains(.keyReused) else {
            throw GrapeError(.conflict, "the Idempotency-Key was used before for another write")
        }
        return outcomes
    }

    /// The points as entries carry them, by shard; of one id twice the last, at the place of the first.
    private func lastOfEachID(
        _ points: [Point], shards: [ShardID], schema: CollectionSchema
    ) -> [ShardID: [PointWrite]] {
        var writes: [ShardID: [PointWrite]] = [:]
        var places: [PointID: Int] = [:]
        for (point, shard) in zip(points, shards) {
            let write = PointWrite(point, schema: schema)
            if let place = places[point.id.id] {
                writes[shard]?[place] = write
            } else {
                places[point.id.id] = writes[shard]?.count ?? 0
                writes[shard, default: []].append(write)
            }
        }
        return writes
    }

    private func checked(_ key: String?) throws(GrapeError) -> [UInt8] {
        guard let key else { return [] }
        try options.limits.check(
            key.utf8.count, "length of the Idempotency-Key", in: 1...Limits.idempotencyKeyBytesMax)
        return Array(key.utf8)
    }

    /// The catalog changed under a write. Where the name means another collection now, the write was meant for the old.
    private func resolveAgain(
        _ name: String, was old: Collection
    ) throws(GrapeError) -> (collection: Collection, version: CatalogVersion) {
        let (collection, version) = try engine.resolve(name)
        guard collection.schema.id == old.schema.id else {
            throw GrapeError(.conflict, "collection \(name) was replaced while the write was on its way")
        }
        return (collection, version)
    }

    private func changing(_ name: String) -> GrapeError {
        GrapeError(.unavailable, "the catalog keeps changing under writes to \(name)", retryAfterSeconds: 1)
    }
}

extension PointWrite {
    /// The point has been checked against the schema.
    fileprivate init(_ point: Point, schema: CollectionSchema) {
        var vectors: [PositionedVector] = []
        for (position, vector) in schema.vectors.enumerated() {
            guard let given = point.vectors.first(where: { $0.name == vector.name }) else { continue }
            vectors.append(PositionedVector(position: UInt16(position), values: given.values))
        }
        var block: [UInt8] = []
        block.reserveCapacity(VectorBlock.byteCount(vectors))
        VectorBlock.encode(vectors, into: &block)
        self.init(id: point.id, vectorBlock: block, payload: point.payload)
    }
}

extension ApplyOutcome {
    fileprivate var isStale: Bool {
        if case .staleCatalog = self { true } else { false }
    }
}
