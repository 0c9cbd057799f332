import GrapeModel
import GrapeStorage

/// What an entry of a shard's log does.
package enum ShardCommand: Sendable, Hashable {
    /// Writes whole points, new or not.
    case upsert(CollectionID, [PointWrite])
    /// Removes points; those that are not there are passed over.
    case delete(CollectionID, [PointID])
    /// From here on no write that was resolved under an older catalog is applied; `dropping` goes with its rows.
    case fence(CatalogVersion, dropping: CollectionID?)
    /// A part of an entry that is longer than one may be: applied when all `count` parts are there.
    case piece(number: Int, count: Int, bytes: [UInt8])
    /// Changes nothing: here all replicas note what their rows come to, for the consistency check of this id; a deep one
    /// reads them all, as they are here.
    case check(UInt64, deep: Bool)
}

/// A point as a log entry carries it.
package struct PointWrite: Sendable, Hashable {
    package var id: WrittenID
    /// Encoded by `VectorBlock`.
    package var vectorBlock: [UInt8]
    package var payload: Payload

    package init(id: WrittenID, vectorBlock: [UInt8], payload: Payload) {
        self.id = id
        self.vectorBlock = vectorBlock
        self.payload = payload
    }
}

extension ShardCommand {
    /// Those that this build knows.
    static let kinds: ClosedRange<UInt8> = 1...5

    var kind: UInt8 {
        switch self {
        case .upsert: 1
        case .delete: 2
        case .fence: 3
        case .piece: 4
        case .check: 5
        }
    }

    /// About how long the body is.
    var byteCount: Int {
        switch self {
        case .upsert(_, let points):
            points.reduce(12) { $0 + 40 + $1.vectorBlock.count + $1.payload.json.count }
        case .delete(_, let ids): 12 + ids.count * 24
        case .fence: 24
        case .piece(_, _, let bytes): 12 + bytes.count
        case .check: 12
        }
    }

    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .upsert(let collection, let points):
            bytes.appendLittleEndian(collection.rawValue)
            bytes.appendLittleEndian(UInt32(points.count))
            for point in points { point.encode(into: &bytes) }
        case .delete(let collection, let ids):
            bytes.appendLittleEndian(collection.rawValue)
            bytes.appendLittleEndian(UInt32(ids.count))
            for id in ids { bytes.appendSized(id.encoded) }
        case .fence(let version, let dropping):
            bytes.appendLittleEndian(version.rawValue)
            bytes.appendLittleEndian(dropping?.rawValue ?? 0)
        case .piece(let number, let count, let piece):
            bytes.appendLittleEndian(UInt64(count) << 32 | UInt64(number))
            bytes.appendSized(piece)
        case .check(let id, let isDeep):
            bytes.appendLittleEndian(id)
            bytes.append(isDeep ? 1 : 0)
        }
    }

    init?(kind: UInt8, reader: inout ByteReader) {
        guard let number = reader.integer(UInt64.self) else { return nil }
        switch kind {
        case 1:
            guard let points = Self.list(&reader, PointWrite.init) else { return nil }
            self = .upsert(CollectionID(number), points)
        case 2:
            guard let ids = Self.list(&reader, { $0.sized().flatMap(PointID.init(encoded:)) }) else { return nil }
            self = .delete(CollectionID(number), ids)
        case 3:
            guard let dropping = reader.integer(UInt64.self) else { return nil }
            self = .fence(CatalogVersion(number), dropping: dropping == 0 ? nil : CollectionID(dropping))
        case 4:
            let count = Int(number >> 32)
            let place = Int(number & 0xFFFF_FFFF)
            guard let bytes = reader.sized(), !bytes.isEmpty, place < count, count <= Limits.commandPiecesMax else {
                return nil
            }
            self = .piece(number: place, count: count, bytes: Array(bytes))
        case 5:
            guard let isDeep = reader.integer(UInt8.self), isDeep <= 1 else { return nil }
            self = .check(number, deep: isDeep == 1)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }

    /// A count and as many elements; no more room is taken than the bytes can fill.
    private static func list<Element>(
        _ reader: inout ByteReader, _ read: (inout ByteReader) -> Element?
    ) -> [Element]? {
        guard let count = reader.integer(UInt32.self), Int(count) <= reader.count else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let element = read(&reader) else { return nil }
            elements.append(element)
        }
        return elements
    }
}

extension PointWrite {
    fileprivate func encode(into bytes: inout [UInt8]) {
        bytes.appendSized(id.id.encoded)
        bytes.append(id.form.code)
        if case .spelling(let text) = id.form { bytes.appendSized(text.utf8) }
        bytes.appendSized(vectorBlock)
        bytes.appendSized(payload.json)
    }

    fileprivate init?(_ reader: inout ByteReader) {
        guard let id = reader.sized().flatMap(PointID.init(encoded:)), let code = reader.integer(UInt8.self),
            let form = WrittenID.Form(code: code, reader: &reader), let block = reader.sized(),
            let payload = reader.sized()
        else { return nil }
        self.init(
            id: WrittenID(id: id, form: form), vectorBlock: Array(block),
            payload: Payload(uncheckedJSON: Array(payload)))
    }
}
