import GrapeModel
import GrapeStorage

/// The row of a point in the family `vectors`: its vectors, as sent.
///
/// Layout, format 1: format (8 bits), version (64, little-endian), then the *vector block*: for each vector the
/// position of its name in the collection's schema (16 bits), its dimension (32) and its components as little-endian
/// 32-bit floats, in the order of positions. Log entries carry the same block, so apply copies it.
package enum VectorRow {
    private static let format: UInt8 = 1
    package static let headerBytes = 9

    /// Format and version, which stand before the block.
    package static func header(version: LogIndex) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(format)
        bytes.appendLittleEndian(version.rawValue)
        return bytes
    }

    /// nil where the row is none of this format.
    package static func version(of row: Span<UInt8>) -> LogIndex? {
        guard row.count >= headerBytes, row[0] == format else { return nil }
        return LogIndex(row.uint64LittleEndian(at: 1))
    }

    /// The vectors of a row, by position; nil where the row is damaged.
    package static func vectors(of row: Span<UInt8>) -> [PositionedVector]? {
        guard version(of: row) != nil else { return nil }
        return VectorBlock.decode(row, from: headerBytes)
    }
}

/// A vector and the position of its name in the collection's schema.
package struct PositionedVector: Sendable, Hashable {
    package let position: UInt16
    package let values: [Float]

    package init(position: UInt16, values: [Float]) {
        self.position = position
        self.values = values
    }
}

/// The part that rows and log entries share; its form stands above.
package enum VectorBlock {
    static let headerBytes = 6

    package static func encode(_ vectors: [PositionedVector], into bytes: inout [UInt8]) {
        for vector in vectors {
            bytes.appendLittleEndian(vector.position)
            bytes.appendLittleEndian(UInt32(vector.values.count))
            bytes.append(floats: vector.values)
        }
    }

    package static func byteCount(_ vectors: [PositionedVector]) -> Int {
        vectors.reduce(0) { $0 + headerBytes + $1.values.count * MemoryLayout<Float>.size }
    }

    /// The vectors from an offset to the end; nil where the bytes are no block.
    package static func decode(_ bytes: Span<UInt8>, from start: Int = 0) -> [PositionedVector]? {
        var vectors: [PositionedVector] = []
        var offset = start
        while offset < bytes.count {
            guard bytes.count - offset >= headerBytes else { return nil }
            let position = bytes.uint16LittleEndian(at: offset)
            let count = Int(bytes.uint32LittleEndian(at: offset + 2))
            offset += headerBytes
            guard count <= (bytes.count - offset) / MemoryLayout<Float>.size else { return nil }
            vectors.append(PositionedVector(position: position, values: bytes.copyFloats(at: offset, count: count)))
            offset += count * MemoryLayout<Float>.size
        }
        return vectors
    }
}
