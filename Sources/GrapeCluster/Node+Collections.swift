import GrapeEngine
import GrapeModel

/// A collection and how much is in it.
package struct CollectionInfo: Sendable {
    package let schema: CollectionSchema
    package let points: Int
    /// Points that a walk reaches; the others are scanned until they are moved into the graph.
    package let indexedPoints: Int
}

extension Node {
    /// Name of the collection that the unnamed routes work on.
    package static let defaultCollection = "default"

    package func createCollection(
        _ name: String, vectors: [VectorSchema]
    ) async throws(GrapeError) -> CollectionSchema {
        try refuseIfDown()
        try refuseIfFull()
        try options.limits.check(collectionName: name, vectors: vectors)
        let command = CatalogCommand.create(name: name, vectors: vectors)
        switch try await commitCatalog(command) {
        case .done(let id, let version):
            try await fence(version)
            _ = try await commitCatalog(.created(id))
            return CollectionSchema(id: id, name: name, vectors: vectors)
        case .exists, .notFound:
            throw GrapeError(.conflict, "collection \(name) exists already")
        }
    }

    package func dropCollection(_ name: String) async throws(GrapeError) {
        try refuseIfDown()
        guard case .done(let id, let version) = try await commitCatalog(.drop(name: name)) else {
            throw GrapeError(.collectionNotFound, "there is no collection \(name)")
        }
        try await fence(version, dropping: id)
        _ = try await commitCatalog(.dropped(id))
    }

    package func collection(_ name: String) throws(GrapeError) -> CollectionInfo {
        try info(engine.resolve(name).collection)
    }

    /// All collections, in the order in which they were made.
    package func collections() throws(GrapeError) -> [CollectionInfo] {
        var infos: [CollectionInfo] = []
        for collection in engine.collections { infos.append(try info(collection)) }
        return infos
    }

    private func info(_ collection: Collection) throws(GrapeError) -> CollectionInfo {
        CollectionInfo(
            schema: collection.schema, points: try engine.pointCount(collection.schema.id),
            indexedPoints: collection.indexes.map(\.counts.inGraph).max() ?? 0)
    }

    /// The collection, or, for `default`, a new one after the pattern of its first point; all points must fit it.
    func resolve(
        _ name: String, creatingFor points: [Point]
    ) async throws(GrapeError) -> (collection: Collection, version: CatalogVersion) {
        do {
            return try engine.resolve(name)
        } catch {
            guard error.code == .collectionNotFound, name == Self.defaultCollection else { throw error }
        }
        guard let first = points.first?.vectors, first.count == 1, first[0].name.isEmpty else {
            throw GrapeError(.invalidRequest, "the first point of collection \(name) needs one unnamed vector")
        }
        let defaults = options.defaults
        let schema = VectorSchema(
            dimension: defaults.dimension ?? first[0].values.count, metric: defaults.metric,
            quantization: defaults.quantization, m: defaults.m, efConstruction: defaults.efConstruction)
        for point in points { try point.check(against: [schema], collection: name, limits: options.limits) }
        do {
            _ = try await createCollection(name, vectors: [schema])
        } catch {
            guard error.code == .conflict else { throw error }
        }
        return try await resolveReady(name)
    }

    /// Waits out the moment between a collection's first step in the catalog and its last, which another call takes.
    private func resolveReady(
        _ name: String
    ) async throws(GrapeError) -> (collection: Collection, version: CatalogVersion) {
        for _ in 0..<500 {
            if let found = try? engine.resolve(name) { return found }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return try engine.resolve(name)
    }

    /// Takes the steps that a crash cut off.
    func finishCatalogChanges() async throws(GrapeError) {
        for entry in engine.catalog.sortedEntries {
            switch entry.phase {
            case .ready: continue
            case .creating:
                try await fence(entry.version)
                _ = try await commitCatalog(.created(entry.schema.id))
            case .dropping:
                try await fence(entry.version, dropping: entry.schema.id)
                _ = try await commitCatalog(.dropped(entry.schema.id))
            }
        }
    }

    private func commitCatalog(_ command: CatalogCommand) async throws(GrapeError) -> CatalogOutcome {
        let outcomes = try await log.commit([Proposal(group: .catalog, entry: command.encoded)])
        guard case .catalog(let outcome) = outcomes.first else {
            preconditionFailure("the catalog's log answered with \(outcomes)")
        }
        return outcome
    }

    /// Tells every shard that writes resolved under an older catalog come too late.
    private func fence(_ version: CatalogVersion, dropping: CollectionID? = nil) async throws(GrapeError) {
        let entry = LogEntry(
            catalogVersion: version, origin: origins.next(), command: .fence(version, dropping: dropping)
        ).encoded
        _ = try await log.commit(
            (0..<engine.shardCount).map { Proposal(group: .shard(ShardID(UInt16($0))), entry: entry) })
    }
}
