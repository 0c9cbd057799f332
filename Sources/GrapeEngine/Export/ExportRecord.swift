import GrapeModel
import GrapeStorage

/// One row, as what it says: neither shard nor generation nor a store's layout is in it.
package enum ExportRecord: Sendable, Equatable {
    case point(ExportedPoint)
    case row(ExportedRow)

    private static let pointKind: UInt8 = 1

    package func append(to bytes: inout [UInt8]) {
        switch self {
        case .point(let point):
            bytes.append(Self.pointKind)
            point.append(to: &bytes)
        case .row(let row):
            bytes.append(row.kind.rawValue)
            bytes.appendSized(row.key)
            bytes.appendSized(row.value)
        }
    }

    /// Bytes that `append` adds, at most.
    var byteCountMax: Int {
        switch self {
        case .point(let point): 1 + point.byteCountMax
        case .row(let row): 9 + row.key.count + row.value.count
        }
    }

    /// Reads the record at an offset, which moves behind it; nil where none stands there.
    package static func read(_ bytes: Span<UInt8>, at offset: inout Int) -> ExportRecord? {
        guard offset < bytes.count else { return nil }
        let code = bytes[offset]
        offset += 1
        if code == pointKind { return ExportedPoint(bytes, at: &offset).map(ExportRecord.point) }
        guard let kind = ExportedRow.Kind(rawValue: code), let key = bytes.sized(at: &offset),
            let value = bytes.sized(at: &offset)
        else { return nil }
        return .row(ExportedRow(kind: kind, key: key, value: value))
    }
}

/// A point of a shard.
package struct ExportedPoint: Sendable, Equatable {
    package let collection: CollectionID
    /// The canonical id, as it stands in keys.
    package let id: [UInt8]
    package let row: PointRow
    /// Vectors as `VectorRow` has them, without its header.
    package let vectorBlock: [UInt8]

    package init(collection: CollectionID, id: [UInt8], row: PointRow, vectorBlock: [UInt8]) {
        self.collection = collection
        self.id = id
        self.row = row
        self.vectorBlock = vectorBlock
    }

    /// What a user sees of it, for `RowDigest.contentHash`.
    package var contentHash: UInt64 {
        RowDigest.contentHash(id: id, form: row.form, vectorBlock: vectorBlock, payload: row.payload.json)
    }

    /// Whether it says what it said when its hash was made.
    package var isWhole: Bool {
        row.hash
            == RowDigest.hash(
                id: id, form: row.form, vectorVersion: row.vectorVersion, version: row.version,
                vectorBlock: vectorBlock, payload: row.payload.json)
    }

    fileprivate var byteCountMax: Int {
        var spelling = 0
        if case .spelling(let text) = row.form { spelling = 4 + text.utf8.count }
        return 8 + 4 + id.count + 1 + spelling + 24 + 4 + vectorBlock.count + 4 + row.payload.json.count
    }

    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.appendLittleEndian(collection.rawValue)
        bytes.appendSized(id)
        bytes.append(row.form.code)
        if case .spelling(let text) = row.form { bytes.appendSized(text.utf8) }
        bytes.appendLittleEndian(row.vectorVersion.rawValue)
        bytes.appendLittleEndian(row.version.rawValue)
        bytes.appendLittleEndian(row.hash)
        bytes.appendSized(vectorBlock)
        bytes.appendSized(row.payload.json)
    }

    fileprivate init?(_ bytes: Span<UInt8>, at offset: inout Int) {
        guard offset <= bytes.count - 8 else { return nil }
        let collection = CollectionID(bytes.uint64LittleEndian(at: offset))
        offset += 8
        guard let id = bytes.sized(at: &offset), PointID(encoded: id) != nil, offset < bytes.count,
            let form = WrittenID.Form(bytes, at: &offset), offset <= bytes.count - 24
        else { return nil }
        let vectorVersion = LogIndex(bytes.uint64LittleEndian(at: offset))
        let version = LogIndex(bytes.uint64LittleEndian(at: offset + 8))
        let hash = bytes.uint64LittleEndian(at: offset + 16)
        offset += 24
        guard let block = bytes.sized(at: &offset), VectorBlock.isSound(block.span),
            let payload = bytes.sized(at: &offset)
        else { return nil }
        self.init(
            collection: collection, id: id,
            row: PointRow(
                form: form, vectorVersion: vectorVersion, version: version, hash: hash,
                payload: Payload(uncheckedJSON: payload)), vectorBlock: block)
    }
}

/// A row of which an export only knows the kind and the order.
package struct ExportedRow: Sendable, Equatable {
    /// The tag of its key in the family `state`; the catalog's rows have a family of their own.
    package enum Kind: UInt8, Sendable, CaseIterable {
        case remembered = 0x03
        case rememberedOrder = 0x04
        case origins = 0x07
        case piece = 0x08
        case catalog = 0x40
    }

    package let kind: Kind
    /// What of the key stands behind tag, shard and generation; the catalog's keys whole.
    package let key: [UInt8]
    package let value: [UInt8]

    package init(kind: Kind, key: [UInt8], value: [UInt8]) {
        self.kind = kind
        self.key = key
        self.value = value
    }

    /// Where it stands among an export's rows.
    var position: [UInt8] { [kind.rawValue] + key }

    /// For the sum of all rows, whatever their order.
    var hash: UInt64 {
        var bytes: [UInt8] = []
        ExportRecord.row(self).append(to: &bytes)
        return XXH64.hash(bytes, seed: 3)
    }
}

extension Span where Element == UInt8 {
    /// A length of 32 bits and so many bytes; nil where they are not all there.
    fileprivate func sized(at offset: inout Int) -> [UInt8]? {
        guard offset <= count - 4 else { return nil }
        let length = Int(uint32LittleEndian(at: offset))
        guard length <= count - offset - 4 else { return nil }
        defer { offset += 4 + length }
        return copyBytes((offset + 4)..<(offset + 4 + length))
    }
}

extension WrittenID.Form {
    fileprivate init?(_ bytes: Span<UInt8>, at offset: inout Int) {
        let code = bytes[offset]
        offset += 1
        switch code {
        case 0: self = .number
        case 1: self = .text
        case 2:
            guard let text = bytes.sized(at: &offset).flatMap({ String(validating: $0, as: UTF8.self) }) else {
                return nil
            }
            self = .spelling(text)
        default: return nil
        }
    }
}

extension VectorBlock {
    /// Whether the bytes are a block, with positions in their order.
    static func isSound(_ bytes: Span<UInt8>) -> Bool {
        var (offset, last) = (0, -1)
        while offset < bytes.count {
            guard bytes.count - offset >= 6 else { return false }
            let position = Int(bytes.uint16LittleEndian(at: offset))
            let length = 4 * Int(bytes.uint32LittleEndian(at: offset + 2))
            guard position > last, length <= bytes.count - offset - 6 else { return false }
            last = position
            offset += 6 + length
        }
        return true
    }
}
