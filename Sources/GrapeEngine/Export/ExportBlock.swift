import GrapeModel
import GrapeStorage

/// The frame in which records travel: an export is a header and blocks, the last of them the footer.
package struct ExportBlock: Sendable, Equatable {
    package enum Kind: UInt8, Sendable {
        case records = 1
        case footer = 2
    }

    /// Stored length, number, kind, compression, nothing (16 bits), raw length, checksum.
    static let headerBytes = 20
    /// A block is closed before it would grow beyond; one record alone may be longer.
    static let targetBytes = 1 << 20
    /// No record is longer: a point comes in one request.
    static let rawBytesMax = 48 << 20
    /// LZ4 can't shrink more than that: a block that claims to is none.
    private static let ratioMax = 255

    package let number: UInt32
    package let kind: Kind
    package let raw: [UInt8]
    /// Of this block and all before it, back to the header.
    let chain: UInt64

    /// The frame around some records.
    static func seal(_ raw: [UInt8], number: UInt32, kind: Kind) -> [UInt8] {
        let packed = kind == .records ? LZ4Block.compress(raw) : nil
        let stored = packed ?? raw
        var bytes: [UInt8] = []
        bytes.reserveCapacity(headerBytes + stored.count)
        bytes.appendLittleEndian(UInt32(stored.count))
        bytes.appendLittleEndian(number)
        bytes.append(kind.rawValue)
        bytes.append(packed == nil ? 0 : 1)
        bytes.appendLittleEndian(UInt16(0))
        bytes.appendLittleEndian(UInt32(raw.count))
        let seed = CRC32C.checksum(bytes)
        bytes.appendLittleEndian(unsafe CRC32C.checksum(stored.span.bytes, seed: seed))
        bytes.append(contentsOf: stored)
        return bytes
    }

    /// The chain behind a block whose frame begins with these bytes: who has it has seen every block before, in order.
    static func chain(_ before: UInt64, _ block: Span<UInt8>) -> UInt64 {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(before)
        bytes.append(contentsOf: block.copyBytes(0..<headerBytes))
        return XXH64.hash(bytes)
    }

    /// Bytes of the whole block, from those that it begins with; nil where more are needed.
    static func byteCount(_ bytes: Span<UInt8>, expecting number: UInt32) throws(ExportError) -> Int? {
        guard bytes.count >= headerBytes else { return nil }
        let stored = Int(bytes.uint32LittleEndian(at: 0))
        let raw = Int(bytes.uint32LittleEndian(at: 12))
        guard raw > 0, raw <= rawBytesMax, stored > 0, stored <= raw, raw / ratioMax <= stored else {
            throw .damaged(.block(number, record: nil), "\(stored) bytes can't hold \(raw)")
        }
        return headerBytes + stored
    }

    /// Opens a whole block that must be the one of this number.
    init(_ bytes: Span<UInt8>, expecting number: UInt32, chain before: UInt64) throws(ExportError) {
        let place = ExportPlace.block(number, record: nil)
        guard try Self.byteCount(bytes, expecting: number) == bytes.count else {
            throw .damaged(place, "cut off, or too long")
        }
        let (front, stored) = (bytes.copyBytes(0..<16), bytes.copyBytes(Self.headerBytes..<bytes.count))
        let sum = unsafe CRC32C.checksum(stored.span.bytes, seed: CRC32C.checksum(front))
        guard sum == bytes.uint32LittleEndian(at: 16) else { throw .damaged(place, "the checksum differs") }
        let found = bytes.uint32LittleEndian(at: 4)
        guard found == number else { throw .damaged(place, "block \(found) stands in its place") }
        guard let kind = Kind(rawValue: bytes[8]), bytes.uint16LittleEndian(at: 10) == 0 else {
            throw .damaged(place, "a kind that this build does not know")
        }
        let count = Int(bytes.uint32LittleEndian(at: 12))
        switch bytes[9] {
        case 0 where count == stored.count: raw = stored
        case 1:
            guard let bytes = LZ4Block.decompress(stored.span, count: count) else {
                throw .damaged(place, "what it holds can't be decompressed")
            }
            raw = bytes
        default: throw .damaged(place, "a compression that this build does not know")
        }
        self.number = number
        self.kind = kind
        chain = Self.chain(before, bytes)
    }
}
