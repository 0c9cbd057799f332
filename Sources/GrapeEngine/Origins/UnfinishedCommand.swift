import GrapeModel

/// A command of which some pieces are here, in rows, and others not yet.
package struct UnfinishedCommand: Sendable, Hashable {
    package let sequence: UInt64
    /// The entry that brought the first piece.
    package let begun: LogIndex
    /// Which pieces are here.
    package private(set) var pieces: [Bool]
    package private(set) var bytes = 0

    package init(sequence: UInt64, begun: LogIndex, count: Int) {
        self.sequence = sequence
        self.begun = begun
        pieces = [Bool](repeating: false, count: count)
    }

    package var isComplete: Bool { pieces.allSatisfy { $0 } }

    /// Numbers of the pieces that are here.
    package var numbers: [Int] { pieces.indices.filter { pieces[$0] } }

    /// Notes a piece. -> false if it is here already.
    package mutating func add(_ number: Int, bytes: Int) -> Bool {
        guard !pieces[number] else { return false }
        pieces[number] = true
        self.bytes += bytes
        return true
    }

    /// Sequence, entry that began it, bytes (64 bits each), then a bit for each piece.
    package func encode(into encoded: inout [UInt8]) {
        encoded.appendLittleEndian(sequence)
        encoded.appendLittleEndian(begun.rawValue)
        encoded.appendLittleEndian(UInt64(bytes))
        encoded.appendBits(pieces)
    }

    package init?(reader: inout ByteReader) {
        guard let sequence = reader.integer(UInt64.self), let begun = reader.integer(UInt64.self),
            let bytes = reader.integer(UInt64.self), let pieces = reader.bits(),
            pieces.count <= Limits.commandPiecesMax,
            bytes <= 1 << 40
        else { return nil }
        self.sequence = sequence
        self.begun = LogIndex(begun)
        self.bytes = Int(bytes)
        self.pieces = pieces
    }
}
