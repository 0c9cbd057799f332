import GrapeModel

/// Commands that are longer than an entry may be travel as pieces of their encoded entry, under its origin; apply puts
/// them together again.
extension LogEntry {
    /// What a piece's entry has besides the piece: the fields of `LogEntry`, an empty key, number and length.
    private static let pieceOverhead = 56

    /// The entries that carry this command: one, or pieces where it is longer than `Limits.entryBytesMax`.
    package var encodedPieces: [[UInt8]] { encodedPieces(entryBytesMax: Limits.entryBytesMax) }

    package func encodedPieces(entryBytesMax: Int) -> [[UInt8]] {
        let whole = encoded
        guard whole.count > entryBytesMax else { return [whole] }
        let room = entryBytesMax - Self.pieceOverhead
        precondition(room > 0, "an entry of \(entryBytesMax) bytes has no room for a piece")
        precondition(origin != .none, "pieces are put together under their origin: a long command needs one")
        let count = (whole.count + room - 1) / room
        precondition(count <= Limits.commandPiecesMax, "a command of \(whole.count) bytes is too long for a shard")
        return (0..<count).map { number in
            let bytes = whole[number * room..<min((number + 1) * room, whole.count)]
            return LogEntry(
                catalogVersion: catalogVersion, epoch: epoch, origin: origin,
                command: .piece(number: number, count: count, bytes: Array(bytes))
            ).encoded
        }
    }
}
