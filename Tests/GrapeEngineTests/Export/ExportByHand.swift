import GrapeStorage

/// Reads and writes exports after docs/EXPORT_FORMAT.md alone, so that the document and the code are held against each
/// other.
enum ExportByHand {
    struct Record: Equatable {
        let kind: UInt8
        let bytes: [UInt8]
    }

    static func number(_ bytes: some Collection<UInt8>) -> Int {
        bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    static func bytes(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }

    /// The frame around a block's content, as the document has it; stored as it is.
    static func block(_ number: Int, kind: UInt8, _ content: [UInt8]) -> [UInt8] {
        let front = bytes(content.count, 4) + bytes(number, 4) + [kind, 0, 0, 0] + bytes(content.count, 4)
        return front + bytes(Int(CRC32C.checksum(front + content)), 4) + content
    }

    /// The header around a body.
    static func header(_ body: [UInt8], version: Int = 1) -> [UInt8] {
        let bytes = Array("GRAPEEXP".utf8) + bytes(version, 2) + [0, 0] + bytes(body.count, 4) + body
        return bytes + self.bytes(Int(CRC32C.checksum(bytes)), 4)
    }

    /// What a block holds; nil where its frame is not as the document says.
    static func content(_ block: [UInt8], number: Int, kind: UInt8) -> [UInt8]? {
        let stored = Array(block.dropFirst(20))
        guard block.count > 20, self.number(block[0..<4]) == stored.count, self.number(block[4..<8]) == number,
            block[8] == kind, block[9] < 2, block[10] == 0, block[11] == 0,
            Int(CRC32C.checksum(Array(block[0..<16]) + stored)) == self.number(block[16..<20])
        else { return nil }
        let raw = self.number(block[12..<16])
        guard block[9] == 1 else { return raw == stored.count ? stored : nil }
        return LZ4Block.decompress(stored.span, count: raw)
    }

    /// A block's records, each as its bytes.
    static func records(_ content: [UInt8]) -> [Record]? {
        var records: [Record] = []
        var at = 0
        func skip(_ count: Int) { at += count }
        func skipSized() -> Bool {
            guard at + 4 <= content.count else { return false }
            at += 4 + number(content[at..<(at + 4)])
            return at <= content.count
        }
        while at < content.count {
            let start = at
            let kind = content[at]
            skip(1)
            if kind == 1 {
                skip(8)
                guard skipSized(), at < content.count else { return nil }
                let form = content[at]
                skip(1)
                if form == 2 { guard skipSized() else { return nil } }
                skip(24)
            }
            guard skipSized(), skipSized() else { return nil }
            records.append(Record(kind: kind, bytes: Array(content[start..<at])))
        }
        return records
    }
}
