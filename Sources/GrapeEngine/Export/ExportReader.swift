import GrapeModel
import GrapeStorage

/// Reads an export from bytes that come in any pieces, and trusts nothing in them: it answers with what a writer wrote,
/// or with an error that names the place. It holds one block, and what was fed but not asked for.
///
///     reader.feed(bytes)
///     while let item = try reader.next() { … }
///     …
///     try reader.finish()
package struct ExportReader: Sendable {
    package enum Item: Sendable, Equatable {
        case header(ExportHeader)
        case records([ExportRecord])
        /// The footer came, and all is as the header said.
        case end
    }

    private var bytes: [UInt8] = []
    /// Bytes before are done with.
    private var start = 0
    private var opened: (header: ExportHeader, check: ExportCheck)?

    package init() {}

    package mutating func feed(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// What comes next; nil where more bytes are needed.
    package mutating func next() throws(ExportError) -> Item? {
        guard let (header, before) = opened else { return try readHeader().map(Item.header) }
        var check = before
        guard !check.isFinished else {
            guard start == bytes.count else { throw .damaged(.end, "something stands behind the footer") }
            return nil
        }
        guard
            let block = try take({ (rest) throws(ExportError) in
                try ExportBlock.byteCount(rest, expecting: check.next)
            })
        else { return nil }
        let records = try check.take(block, of: header)
        opened = (header, check)
        return records.map(Item.records) ?? .end
    }

    /// Sum of the hashes of all points and other rows, once the footer came.
    package var digest: UInt64? {
        guard let (header, check) = opened, check.isFinished else { return nil }
        return check.digest(header)
    }

    /// No more bytes will come.
    package func finish() throws(ExportError) {
        guard let check = opened?.check else { throw .damaged(.header, "cut off") }
        guard check.isFinished else { throw .damaged(.end, "cut off behind block \(check.next)") }
        guard start == bytes.count else { throw .damaged(.end, "something stands behind the footer") }
    }

    private mutating func readHeader() throws(ExportError) -> ExportHeader? {
        guard let bytes = try take(ExportHeader.byteCount) else { return nil }
        let header = try ExportHeader(encoded: bytes)
        opened = (header, ExportCheck(bytes))
        return header
    }

    /// As many bytes as their beginning tells, once they are all here.
    private mutating func take(
        _ byteCount: (Span<UInt8>) throws(ExportError) -> Int?
    ) throws(ExportError) -> [UInt8]? {
        let front = Array(bytes[start..<min(bytes.count, start + ExportBlock.headerBytes)])
        guard let count = try byteCount(front.span), count <= bytes.count - start else { return nil }
        defer { start += count }
        return Array(bytes[start..<(start + count)])
    }
}
