import GrapeModel
import GrapeStorage

/// The row of a point in the family `payloads`: everything but the vectors.
///
/// Layout, format 1: format (8 bits), form of the id (8), version of the vectors (64), version (64), hash (64), all
/// little-endian; the id's spelling with its length (32) where the form says so; then the payload to the end.
/// The storage layer adds a CRC32C to every row.
package struct PointRow: Sendable, Hashable {
    private static let format: UInt8 = 1
    private static let headerBytes = 26

    package var form: WrittenID.Form
    /// Index of the entry that last changed a vector: the row in `vectors` carries the same.
    package var vectorVersion: LogIndex
    /// Index of the entry that last changed anything.
    package var version: LogIndex
    /// Hash of all that the point says, for the digest of its collection in its shard.
    package var hash: UInt64
    package var payload: Payload

    package init(
        form: WrittenID.Form, vectorVersion: LogIndex, version: LogIndex, hash: UInt64, payload: Payload
    ) {
        self.form = form
        self.vectorVersion = vectorVersion
        self.version = version
        self.hash = hash
        self.payload = payload
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + payload.json.count)
        bytes.append(Self.format)
        bytes.append(form.code)
        bytes.appendLittleEndian(vectorVersion.rawValue)
        bytes.appendLittleEndian(version.rawValue)
        bytes.appendLittleEndian(hash)
        if case .spelling(let text) = form { bytes.appendSized(text.utf8) }
        bytes.append(contentsOf: payload.json)
        return bytes
    }

    /// The hash in a row, without reading the rest of it.
    package static func hash(of row: Span<UInt8>) -> UInt64? {
        guard row.count >= headerBytes, row[0] == format else { return nil }
        return row.uint64LittleEndian(at: 18)
    }

    /// Where the payload begins in a row, without reading it.
    package static func payloadOffset(of row: Span<UInt8>) -> Int? {
        guard row.count >= headerBytes, row[0] == format else { return nil }
        guard row[1] == WrittenID.Form.spelling("").code else { return headerBytes }
        guard row.count >= headerBytes + 4 else { return nil }
        let end = headerBytes + 4 + Int(row.uint32LittleEndian(at: headerBytes))
        return end <= row.count ? end : nil
    }

    /// nil where the bytes are no row of this format.
    package init?(encoded bytes: [UInt8]) { self.init(encoded: bytes.span) }

    package init?(encoded row: Span<UInt8>) {
        guard let start = Self.payloadOffset(of: row) else { return nil }
        let form: WrittenID.Form
        switch row[1] {
        case WrittenID.Form.number.code: form = .number
        case WrittenID.Form.text.code: form = .text
        case WrittenID.Form.spelling("").code:
            guard let text = row.string(Self.headerBytes + 4..<start) else { return nil }
            form = .spelling(text)
        default: return nil
        }
        self.init(
            form: form, vectorVersion: LogIndex(row.uint64LittleEndian(at: 2)),
            version: LogIndex(row.uint64LittleEndian(at: 10)), hash: row.uint64LittleEndian(at: 18),
            payload: Payload(uncheckedJSON: row.copyBytes(start..<row.count)))
    }
}

extension WrittenID.Form {
    /// The form in one byte; a spelling's text follows it elsewhere.
    package var code: UInt8 {
        switch self {
        case .number: 0
        case .text: 1
        case .spelling: 2
        }
    }

    /// The form in two bits, as an index keeps it with the point's key; 0 stands for an unknown one.
    package var tag: UInt8 { code + 1 }

    /// nil where the tag does not tell: it is none, or there is a spelling, which only the row has.
    package init?(tag: UInt8) {
        switch tag {
        case Self.number.tag: self = .number
        case Self.text.tag: self = .text
        default: return nil
        }
    }

    /// Reads the spelling where the code says that there is one.
    package init?(code: UInt8, reader: inout ByteReader) {
        switch code {
        case 0: self = .number
        case 1: self = .text
        case 2:
            guard let text = reader.text() else { return nil }
            self = .spelling(text)
        default: return nil
        }
    }
}
