import GrapeModel

/// Kind (8 bits) and what it carries, little-endian: nodes send outcomes to each other.
extension CatalogOutcome {
    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .done(let id, let version):
            bytes.append(1)
            bytes.appendLittleEndian(id.rawValue)
            bytes.appendLittleEndian(version.rawValue)
        case .exists(let id):
            bytes.append(2)
            bytes.appendLittleEndian(id.rawValue)
        case .notFound: bytes.append(3)
        case .layout(.done): bytes.append(4)
        case .layout(.notFound): bytes.append(5)
        case .layout(.member(let member)):
            bytes.append(6)
            member.encode(into: &bytes)
        case .layout(.otherDirectory(let number)):
            bytes.append(7)
            bytes.appendLittleEndian(number.rawValue)
        case .layout(.lastMember): bytes.append(8)
        case .published(let ids, let version):
            bytes.append(9)
            bytes.appendLittleEndian(version.rawValue)
            bytes.appendLittleEndian(UInt32(ids.count))
            for id in ids { bytes.appendLittleEndian(id.rawValue) }
        }
    }

    package init?(reader: inout ByteReader) {
        guard let kind = reader.integer(UInt8.self), let outcome = Self.read(kind, &reader) else { return nil }
        self = outcome
    }

    private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> CatalogOutcome? {
        switch kind {
        case 1:
            guard let id = reader.integer(UInt64.self), let version = reader.integer(UInt64.self) else { return nil }
            return .done(CollectionID(id), CatalogVersion(version))
        case 2: return reader.integer(UInt64.self).map { .exists(CollectionID($0)) }
        case 3: return .notFound
        case 4: return .layout(.done)
        case 5: return .layout(.notFound)
        case 6: return Member(reader: &reader).map { .layout(.member($0)) }
        case 7: return reader.integer(UInt32.self).map { .layout(.otherDirectory(NodeNumber($0))) }
        case 8: return .layout(.lastMember)
        case 9:
            guard let version = reader.integer(UInt64.self), let ids = reader.list({ $0.collectionID() }) else {
                return nil
            }
            return .published(ids, CatalogVersion(version))
        default: return nil
        }
    }
}
