import GrapeEngine
import GrapeModel

/// A collection and how much is in it.
package struct CollectionInfo: Sendable {
    package let schema: CollectionSchema
    package let points: Int
    /// Points that a walk reaches; the others are scanned until they are moved into the graph.
    package let indexedPoints: Int
}

/// A collection as a name meant it, and the catalog version at which it did.
struct Target: Sendable {
    let collection: Collection
    let version: CatalogVersion
    /// A restore fills it: it has no name yet.
    var isRestoring = false
}

extension Node {
    /// Name of the collection that the unnamed routes work on.
    package static let defaultCollection = "default"

    package func createCollection(
        _ name: String, vectors: [VectorSchema]
    ) async throws(GrapeError) -> CollectionSchema {
        try refuseIfIsolated()
        try refuseIfFull()
        try options.limits.check(collectionName: name, vectors: vectors)
        let deadline = self.deadline
        let created = try await router.commit(.create(name: name, vectors: vectors), deadline: deadline)
        guard case .done(let id, let version) = created else {
            throw GrapeError(.conflict, "collection \(name) exists already")
        }
        try await router.finish(CatalogChange(id: id, version: version, phase: .creating), deadline: deadline)
        return CollectionSchema(id: id, name: name, vectors: vectors)
    }

    package func dropCollection(_ name: String) async throws(GrapeError) {
        try refuseIfIsolated()
        let deadline = self.deadline
        guard case .done(let id, let version) = try await router.commit(.drop(name: name), deadline: deadline) else {
            throw GrapeError(.collectionNotFound, "there is no collection \(name)")
        }
        try await router.finish(CatalogChange(id: id, version: version, phase: .dropping), deadline: deadline)
    }

    package func collection(_ name: String) async throws(GrapeError) -> CollectionInfo {
        try refuseIfIsolated()
        return try await info(readable(name, groups: [.catalog], deadline: deadline))
    }

    /// All collections, in the order in which they were made.
    package func collections() async throws(GrapeError) -> [CollectionInfo] {
        try refuseIfIsolated()
        try await consensus.barrier([.catalog], deadline: deadline)
        var infos: [CollectionInfo] = []
        for collection in engine.collections { infos.append(try await info(collection)) }
        return infos
    }

    private func info(_ collection: Collection) async throws(GrapeError) -> CollectionInfo {
        CollectionInfo(
            schema: collection.schema, points: try await router.pointCount(collection.schema.id, deadline: deadline),
            indexedPoints: collection.indexes.map(\.counts.inGraph).max() ?? 0)
    }

    // MARK: What a name means

    /// The collection for a read, behind the newest writes of `groups`; with none as this node knows it, once it has the
    /// catalog.
    func readable(
        _ name: String, groups: [LogGroup], deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> Collection {
        var groups = groups
        if groups.isEmpty, !engine.hasCatalog {
            try refuseIfIsolated()
            groups = [.catalog]
        }
        if !groups.isEmpty { try await consensus.barrier(groups, deadline: deadline) }
        return try engine.resolve(name).collection
    }

    /// The collection for a write. A name that this node doesn't know may be new: the catalog is asked.
    func resolve(_ name: String, deadline: ContinuousClock.Instant) async throws(GrapeError) -> Target {
        if let target = known(name) { return target }
        try await consensus.barrier([.catalog], deadline: deadline)
        let (collection, version) = try engine.resolve(name)
        return Target(collection: collection, version: version)
    }

    private func known(_ name: String) -> Target? {
        (try? engine.resolve(name)).map { Target(collection: $0.collection, version: $0.version) }
    }

    /// The collection, or, for `default`, a new one after the pattern of its first point; all points must fit it.
    func resolve(
        _ name: String, creatingFor points: [Point], deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> Target {
        do {
            return try await resolve(name, deadline: deadline)
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
        // Another call may be making it: its last step is a moment away.
        while ContinuousClock.now < deadline {
            if let target = known(name) { return target }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return try await resolve(name, deadline: deadline)
    }

    /// The catalog changed under a write. Where the name means another collection now, the write was meant for the old.
    func resolveAgain(
        _ target: Target, atLeast fence: CatalogVersion, deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> Target {
        let name = target.collection.schema.name
        while engine.catalog.version < fence {
            guard ContinuousClock.now < deadline else {
                throw GrapeError(.unavailable, "this node's catalog is behind", retryAfterSeconds: 1)
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
        if target.isRestoring {
            let (collection, version) = try engine.restoring(target.collection.schema.id)
            return Target(collection: collection, version: version, isRestoring: true)
        }
        let (collection, version) = try engine.resolve(name)
        guard collection.schema.id == target.collection.schema.id else {
            throw GrapeError(.conflict, "collection \(name) was replaced while the write was on its way")
        }
        return Target(collection: collection, version: version)
    }
}
