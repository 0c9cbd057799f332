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

    /// Writes points, new or not. All are checked before any is written; they are durable and visible to strong reads on
    /// any node on return. Atomic in a shard: where some shards took their part and others did not, or may have, the
    /// error is `outcomeUnknown` and counts the points.
    package func upsert(
        _ points: [Point], into name: String, idempotencyKey: String? = nil
    ) async throws(GrapeError) -> UpsertResult {
        try refuseIfIsolated()
        try refuseIfFull()
        guard !points.isEmpty else { return UpsertResult(count: 0, shards: []) }
        try options.limits.check(points.count, "number of points in a batch", in: 1...options.limits.maxBatchSize)
        let key = try checked(idempotencyKey)
        let deadline = self.deadline
        let target = try await resolve(name, creatingFor: points, deadline: deadline)
        for point in points {
            try point.check(against: target.collection.schema.vectors, collection: name, limits: options.limits)
        }
        let shards = points.map { engine.shard(of: $0.id.id, in: target.collection.schema.id) }
        let writes = lastOfEachID(points, shards: shards, schema: target.collection.schema)
        let id = target.collection.schema.id
        _ = try await write(
            writes.mapValues { ShardWrite(command: .upsert(id, $0), points: $0.count) }, to: target, key: key,
            deadline: deadline)
        return UpsertResult(count: writes.reduce(0) { $0 + $1.value.count }, shards: shards)
    }

    /// Removes points. -> which of them were there.
    package func delete(
        _ ids: [PointID], from name: String, idempotencyKey: String? = nil
    ) async throws(GrapeError) -> [Bool] {
        try refuseIfIsolated()
        try options.limits.check(ids.count, "number of ids", in: 1...options.limits.maxBatchSize)
        let key = try checked(idempotencyKey)
        let deadline = self.deadline
        let target = try await resolve(name, deadline: deadline)
        let id = target.collection.schema.id
        var places: [ShardID: [Int]] = [:]
        for (place, point) in ids.enumerated() { places[engine.shard(of: point, in: id), default: []].append(place) }
        let outcomes = try await write(
            places.mapValues { own in
                ShardWrite(command: .delete(id, own.map { ids[$0] }), points: own.count)
            }, to: target, key: key, deadline: deadline)
        var found = [Bool](repeating: false, count: ids.count)
        for (shard, own) in places {
            guard case .deleted(let deleted) = outcomes[shard] else { continue }
            for (place, wasThere) in zip(own, deleted) { found[place] = wasThere }
        }
        return found
    }

    /// The point; nil where there is none.
    package func point(
        _ id: PointID, in name: String, consistency: Consistency = .strong
    ) async throws(GrapeError) -> ReadAnswer<Point?> {
        try refuse(consistency)
        let deadline = self.deadline
        return try await whilePlacementChanges(consistency, deadline) { () throws(GrapeError) in
            try await point(id, in: name, consistency, deadline)
        }
    }

    private func point(
        _ id: PointID, in name: String, _ consistency: Consistency, _ deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> ReadAnswer<Point?> {
        var groups: [LogGroup] = []
        // Which shard it is depends on the collection, and which collection on the catalog: mostly it is as known here.
        if consistency == .strong {
            let known = (try? engine.resolve(name))?.collection.schema.id
            groups = [.catalog] + (known.map { [.shard(engine.shard(of: id, in: $0))] } ?? [])
            groups.removeAll { !cluster.holds($0) }
        }
        var collection = try await readable(name, groups: groups, deadline: deadline)
        let shard = engine.shard(of: id, in: collection.schema.id)
        guard cluster.answers(for: shard) else {
            return try await router.point(id, collection.schema.id, shard, consistency, deadline: deadline)
        }
        if consistency == .strong, !groups.contains(.shard(shard)) {
            collection = try await readable(name, groups: [.catalog, .shard(shard)], deadline: deadline)
        }
        let point = try await pool.run { [collection] () throws(GrapeError) in
            try self.engine.point(id, in: collection)
        }
        return ReadAnswer(value: point, stalenessMilliseconds: staleness(consistency))
    }

    // MARK: Parts

    struct ShardWrite {
        let command: ShardCommand
        let points: Int
    }

    /// Carries out one command a shard; what a fence refuses is resolved again. -> the outcome of each.
    func write(
        _ writes: [ShardID: ShardWrite], to target: Target, key: [UInt8], deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> [ShardID: ApplyOutcome] {
        var target = target
        var tally = WriteTally(writes.mapValues(\.points))
        for _ in 0..<Self.resolutionsMax {
            let open = tally.open
            let fates = await commit(
                open.compactMap { shard in writes[shard].map { (shard, $0.command) } }, version: target.version,
                key: key, deadline: deadline)
            for (shard, fate) in zip(open, fates) { tally.take(fate, shard) }
            if tally.open.isEmpty { return try tally.outcomes() }
            do {
                target = try await resolveAgain(target, atLeast: tally.fence, deadline: deadline)
            } catch {
                tally.refuseOpen(error)
                return try tally.outcomes()
            }
        }
        tally.refuseOpen(
            GrapeError(
                .unavailable, "the catalog keeps changing under writes to \(target.collection.schema.name)",
                retryAfterSeconds: 1))
        return try tally.outcomes()
    }

    private func commit(
        _ commands: [(shard: ShardID, command: ShardCommand)], version: CatalogVersion, key: [UInt8],
        deadline: ContinuousClock.Instant
    ) async -> [WriteFate] {
        let origins = commands.map { router.origins.open(.shard($0.shard)) }
        let writes = zip(commands, origins).map { write, origin in
            RoutedWrite(
                group: .shard(write.shard),
                entries: LogEntry(
                    catalogVersion: version, epoch: engine.epoch(of: write.shard), origin: origin, idempotencyKey: key,
                    command: write.command
                ).encodedPieces)
        }
        defer {
            for (write, origin) in zip(commands, origins) { router.origins.close(origin, .shard(write.shard)) }
        }
        return await router.commit(writes, deadline: deadline)
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
