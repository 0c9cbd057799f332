import GrapeModel

/// One entry of the catalog's log. Changes of a collection come in two steps, with a fence in every shard between them
/// (DESIGN D1); each step is idempotent, so one that a crash cut off is taken again.
///
/// Layout, format 1, little-endian: format (8 bits), kind (8), then name (length and text) and vector schemas for
/// `create` and `restore`, name for `drop`, whether to replace (8) and collection ids for `publish`, collection id (64) for
/// the others.
package enum CatalogCommand: Sendable, Hashable {
    case create(name: String, vectors: [VectorSchema])
    /// Every shard has its fence: the collection takes writes.
    case created(CollectionID)
    case drop(name: String)
    /// Every shard has removed the rows.
    case dropped(CollectionID)
    /// About members and placement.
    case layout(LayoutCommand)
    /// A collection that a restore will fill, hidden until it is published.
    case restore(name: String, vectors: [VectorSchema])
    /// Restored collections get their names, all in one step.
    case publish([CollectionID], replacing: Bool)
    /// A restored collection that will not be published.
    case discard(CollectionID)
}

/// What applying an entry of the catalog came to.
package enum CatalogOutcome: Sendable, Hashable {
    /// The entry took effect; this is the catalog's version after it.
    case done(CollectionID, CatalogVersion)
    case exists(CollectionID)
    case notFound
    case layout(LayoutOutcome)
    /// Collections that got their names, and those that lost them and are to be dropped.
    case published([CollectionID], CatalogVersion)
}

extension CatalogCommand {
    private static let format: UInt8 = 1

    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        switch self {
        case .create(let name, let vectors):
            bytes.append(1)
            bytes.appendSized(name.utf8)
            vectors.encode(into: &bytes)
        case .created(let id):
            bytes.append(2)
            bytes.appendLittleEndian(id.rawValue)
        case .drop(let name):
            bytes.append(3)
            bytes.appendSized(name.utf8)
        case .dropped(let id):
            bytes.append(4)
            bytes.appendLittleEndian(id.rawValue)
        case .layout(let command):
            bytes.append(5)
            command.encode(into: &bytes)
        case .restore(let name, let vectors):
            bytes.append(6)
            bytes.appendSized(name.utf8)
            vectors.encode(into: &bytes)
        case .publish(let ids, let replacing):
            bytes.append(7)
            bytes.append(replacing ? 1 : 0)
            for id in ids { bytes.appendLittleEndian(id.rawValue) }
        case .discard(let id):
            bytes.append(8)
            bytes.appendLittleEndian(id.rawValue)
        }
        return bytes
    }

    /// nil where the bytes are no entry that this build knows.
    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let kind = reader.integer(UInt8.self) else { return nil }
        switch kind {
        case 1, 6:
            guard let name = reader.text(), let vectors = [VectorSchema](reader: &reader) else { return nil }
            self = kind == 1 ? .create(name: name, vectors: vectors) : .restore(name: name, vectors: vectors)
        case 2, 4, 8:
            guard let id = reader.integer(UInt64.self).map(CollectionID.init) else { return nil }
            self = kind == 2 ? .created(id) : kind == 4 ? .dropped(id) : .discard(id)
        case 3:
            guard let name = reader.text() else { return nil }
            self = .drop(name: name)
        case 5:
            guard let command = LayoutCommand(reader: &reader) else { return nil }
            self = .layout(command)
        case 7:
            guard let replacing = reader.integer(UInt8.self), let ids = reader.rest({ $0.collectionID() }) else {
                return nil
            }
            self = .publish(ids, replacing: replacing == 1)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }
}

extension ByteReader {
    mutating func collectionID() -> CollectionID? { integer(UInt64.self).map(CollectionID.init) }

    /// Elements up to the end.
    mutating func rest<Element>(_ read: (inout ByteReader) -> Element?) -> [Element]? {
        var elements: [Element] = []
        while !isAtEnd {
            guard let element = read(&self) else { return nil }
            elements.append(element)
        }
        return elements
    }
}
