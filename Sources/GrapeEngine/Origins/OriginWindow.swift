import GrapeModel

/// What one run of a router has sent to a shard and may send again: outcomes by sequence, and commands of which pieces are
/// missing. A value: every replica makes the same one of the same entries.
///
/// Layout, format 1, little-endian: format (8 bits), last entry (64), lowest open sequence (64), number of outcomes (32),
/// of each its sequence (64) and itself, number of unfinished commands (32), and these.
package struct OriginWindow: Sendable, Hashable {
    private static let format: UInt8 = 1

    package struct Settled: Sendable, Hashable {
        package let sequence: UInt64
        package let outcome: ApplyOutcome
    }

    /// The last entry that came from this run.
    package private(set) var lastEntry = LogIndex(0)
    /// Sequences below are answered, or were given up for want of room.
    package private(set) var lowestOpen: UInt64 = 0
    /// Invariant: ascending, none below `lowestOpen`.
    package private(set) var settled: [Settled] = []
    /// Invariant: ascending, none below `lowestOpen`, none settled.
    package private(set) var unfinished: [UnfinishedCommand] = []

    package init() {}

    package var unfinishedBytes: Int { unfinished.reduce(0) { $0 + $1.bytes } }

    /// Whether this sequence was applied, and to what end. nil: it is new.
    package func standing(of sequence: UInt64) -> ApplyOutcome? {
        if sequence < lowestOpen { return .forgotten }
        let place = settled.lastIndex { $0.sequence <= sequence }
        return place.flatMap { settled[$0].sequence == sequence ? settled[$0].outcome : nil }
    }

    /// An entry has come whose sender has its answers to all sequences below. -> unfinished commands that are given up.
    package mutating func advance(to sequence: UInt64, at index: LogIndex) -> [UnfinishedCommand] {
        lastEntry = index
        return forget(below: sequence)
    }

    /// Keeps an outcome. -> unfinished commands that are over: this one, and what there is no room for.
    package mutating func settle(_ sequence: UInt64, _ outcome: ApplyOutcome) -> [UnfinishedCommand] {
        let place = (settled.lastIndex { $0.sequence < sequence }).map { $0 + 1 } ?? 0
        settled.insert(Settled(sequence: sequence, outcome: outcome), at: place)
        return giveUp(sequence) + makeRoom()
    }

    /// Notes a piece. -> whether it is new, and whether the command is complete; unfinished commands that are given up.
    package mutating func add(
        piece number: Int, of count: Int, bytes: Int, sequence: UInt64, at index: LogIndex
    ) -> (isNew: Bool, isComplete: Bool, over: [UnfinishedCommand]) {
        var over: [UnfinishedCommand] = []
        // Another cut of the command takes the place of the one before.
        if let known = unfinished.first(where: { $0.sequence == sequence }), known.pieces.count != count {
            over += giveUp(sequence)
        }
        if !unfinished.contains(where: { $0.sequence == sequence }) {
            let place = (unfinished.lastIndex { $0.sequence < sequence }).map { $0 + 1 } ?? 0
            unfinished.insert(UnfinishedCommand(sequence: sequence, begun: index, count: count), at: place)
            over += makeRoom()
        }
        // Where there was no room, the lowest sequence went, which may be this one.
        guard let place = unfinished.firstIndex(where: { $0.sequence == sequence }) else { return (false, false, over) }
        let isNew = unfinished[place].add(number, bytes: bytes)
        return (isNew, unfinished[place].isComplete, over)
    }

    package mutating func giveUp(_ sequence: UInt64) -> [UnfinishedCommand] {
        guard let place = unfinished.firstIndex(where: { $0.sequence == sequence }) else { return [] }
        return [unfinished.remove(at: place)]
    }

    private mutating func makeRoom() -> [UnfinishedCommand] {
        guard settled.count + unfinished.count > Limits.originSequencesMax else { return [] }
        let lowest = min(settled.first?.sequence ?? .max, unfinished.first?.sequence ?? .max)
        return forget(below: lowest + 1)
    }

    private mutating func forget(below sequence: UInt64) -> [UnfinishedCommand] {
        guard sequence > lowestOpen else { return [] }
        lowestOpen = sequence
        let over = Array(unfinished.prefix { $0.sequence < sequence })
        unfinished.removeFirst(over.count)
        settled.removeFirst(settled.prefix { $0.sequence < sequence }.count)
        return over
    }
}

extension OriginWindow {
    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        bytes.appendLittleEndian(lastEntry.rawValue)
        bytes.appendLittleEndian(lowestOpen)
        bytes.appendLittleEndian(UInt32(settled.count))
        for one in settled {
            bytes.appendLittleEndian(one.sequence)
            one.outcome.encode(into: &bytes)
        }
        bytes.appendLittleEndian(UInt32(unfinished.count))
        for command in unfinished { command.encode(into: &bytes) }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.integer(UInt8.self) == Self.format, let last = reader.integer(UInt64.self),
            let lowest = reader.integer(UInt64.self),
            let settled = reader.list({ (reader: inout ByteReader) -> Settled? in
                guard let sequence = reader.integer(UInt64.self), let outcome = ApplyOutcome(reader: &reader) else {
                    return nil
                }
                return Settled(sequence: sequence, outcome: outcome)
            }), let unfinished = reader.list(UnfinishedCommand.init(reader:)), reader.isAtEnd
        else { return nil }
        lastEntry = LogIndex(last)
        lowestOpen = lowest
        self.settled = settled
        self.unfinished = unfinished
        let sequences = settled.map(\.sequence)
        let others = unfinished.map(\.sequence)
        let isSound = [sequences, others].allSatisfy { list in
            list.allSatisfy { $0 >= lowest } && zip(list, list.dropFirst()).allSatisfy { $0 < $1 }
        }
        guard isSound, Set(sequences).isDisjoint(with: others) else { return nil }
    }
}
