import GrapeModel

/// What the catalog's log has come to: collections, and how often the catalog changed. A value; apply makes the next one.
package struct CatalogState: Sendable {
    package private(set) var version = CatalogVersion(0)
    /// Collection ids are given out in order and never again.
    package private(set) var nextCollection: UInt64 = 1
    /// Members and placement. Changes of it leave the version alone: writes are not resolved under them.
    package private(set) var layout = ClusterLayout()
    private var entries: [CollectionID: CatalogEntry] = [:]
    /// Invariant: every entry that is made or ready is here under its name.
    private var ids: [String: CollectionID] = [:]

    package init() {}

    /// The state that rows of the catalog describe.
    package init(
        version: CatalogVersion, nextCollection: UInt64, entries: [CatalogEntry],
        layout: ClusterLayout = ClusterLayout()
    ) {
        self.layout = layout
        self.version = version
        self.nextCollection = nextCollection
        for entry in entries {
            self.entries[entry.schema.id] = entry
            if entry.phase.isNamed { ids[entry.schema.name] = entry.schema.id }
        }
    }

    package func entry(named name: String) -> CatalogEntry? {
        ids[name].flatMap { entries[$0] }
    }

    package func entry(_ id: CollectionID) -> CatalogEntry? { entries[id] }

    /// All entries, in the order of their ids.
    package var sortedEntries: [CatalogEntry] {
        entries.values.sorted { $0.schema.id < $1.schema.id }
    }

    /// Applies one command. A command that finds its work done changes nothing.
    package mutating func apply(_ command: CatalogCommand) -> CatalogOutcome {
        switch command {
        case .create(let name, let vectors):
            if let id = ids[name] { return .exists(id) }
            let schema = CollectionSchema(id: CollectionID(nextCollection), name: name, vectors: vectors)
            nextCollection += 1
            return set(CatalogEntry(schema: schema, phase: .creating, version: version))
        case .drop(let name):
            guard let entry = entry(named: name), entry.phase == .ready else { return .notFound }
            ids[name] = nil
            return set(CatalogEntry(schema: entry.schema, phase: .dropping, version: version))
        case .created(let id):
            guard let entry = entries[id], entry.phase == .creating else { return .notFound }
            return set(CatalogEntry(schema: entry.schema, phase: .ready, version: version))
        case .layout(let command): return .layout(layout.apply(command))
        case .dropped(let id):
            guard let entry = entries[id], entry.phase == .dropping else { return .notFound }
            let outcome = set(entry)
            entries[id] = nil
            return outcome
        case .restore(let name, let vectors):
            let schema = CollectionSchema(id: CollectionID(nextCollection), name: name, vectors: vectors)
            nextCollection += 1
            return set(CatalogEntry(schema: schema, phase: .restoring, version: version))
        case .publish(let ids, let replacing): return publish(ids, replacing: replacing)
        case .discard(let id):
            guard let entry = entries[id], entry.phase == .restoring else { return .notFound }
            return set(CatalogEntry(schema: entry.schema, phase: .dropping, version: version))
        }
    }

    /// The row that stands before those of the entries: version and next collection id, 64 bits each, little-endian.
    package var encodedHead: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(version.rawValue)
        bytes.appendLittleEndian(nextCollection)
        return bytes
    }

    /// Takes the entry as the catalog's next step.
    private mutating func set(_ entry: CatalogEntry) -> CatalogOutcome {
        version = CatalogVersion(version.rawValue + 1)
        var entry = entry
        entry.version = version
        entries[entry.schema.id] = entry
        if entry.phase.isNamed { ids[entry.schema.name] = entry.schema.id }
        return .done(entry.schema.id, version)
    }

    /// Restored collections get their names in one step, all or none; those that have the names are dropped, or stand in
    /// the way. One that is published already is passed over: the command may come twice.
    private mutating func publish(_ published: [CollectionID], replacing: Bool) -> CatalogOutcome {
        var hidden: [CatalogEntry] = []
        for id in published {
            guard let entry = entries[id], entry.phase == .restoring || entry.phase == .ready else { return .notFound }
            if entry.phase == .restoring { hidden.append(entry) }
        }
        guard Set(hidden.map(\.schema.name)).count == hidden.count else { return .notFound }
        for entry in hidden {
            guard let taken = ids[entry.schema.name], let other = entries[taken] else { continue }
            guard replacing, other.phase == .ready else { return .exists(taken) }
        }
        var changed: [CollectionID] = []
        for entry in hidden {
            if let taken = ids[entry.schema.name], let other = entries[taken] {
                ids[entry.schema.name] = nil
                _ = set(CatalogEntry(schema: other.schema, phase: .dropping, version: version))
                changed.append(taken)
            }
            _ = set(CatalogEntry(schema: entry.schema, phase: .ready, version: version))
            changed.append(entry.schema.id)
        }
        return .published(changed, version)
    }
}

/// A collection in the catalog: one row.
package struct CatalogEntry: Sendable, Hashable {
    package enum Phase: UInt8, Sendable, Hashable {
        /// Known, but not every shard has its fence yet: takes no writes.
        case creating = 1
        case ready = 2
        /// Hidden; shards are removing its rows.
        case dropping = 3
        /// Hidden under an id of its own, whatever has its name, while a restore fills it.
        case restoring = 4

        /// Whether its name means it.
        package var isNamed: Bool { self == .creating || self == .ready }
    }

    package var schema: CollectionSchema
    package var phase: Phase
    /// Catalog version of the last step: the version that its fences carry.
    package var version: CatalogVersion

    package init(schema: CollectionSchema, phase: Phase, version: CatalogVersion) {
        self.schema = schema
        self.phase = phase
        self.version = version
    }
}

extension CatalogEntry {
    private static let format: UInt8 = 1

    /// Format (8 bits), id (64), phase (8), version (64), name (length and text), vector schemas; little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(schema.id.rawValue)
        bytes.append(phase.rawValue)
        bytes.appendLittleEndian(version.rawValue)
        bytes.appendSized(schema.name.utf8)
        schema.vectors.encode(into: &bytes)
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let id = reader.integer(UInt64.self),
            let phase = reader.integer(UInt8.self).flatMap(Phase.init(rawValue:)),
            let version = reader.integer(UInt64.self), let name = reader.text(),
            let vectors = [VectorSchema](reader: &reader), reader.isAtEnd
        else { return nil }
        self.init(
            schema: CollectionSchema(id: CollectionID(id), name: name, vectors: vectors), phase: phase,
            version: CatalogVersion(version))
    }
}
