import GrapeModel

/// What a shard remembers of open writes, by the run of the router that sent them (RAFT.md 24): a repetition gets the
/// outcome of the first and changes nothing, so nobody can read 1, 2, 1. Part of the replicated state: it follows from
/// the shard's entries alone.
///
/// Bounds: `Limits.originIncarnationsMax` runs, the one idle longest goes; `Limits.originSequencesMax` sequences of each,
/// the lowest goes; `Limits.unfinishedBytesMax` of pieces, the command begun first goes, never the one that comes in.
package struct OriginTable: Sendable {
    /// Pieces of a command whose rows are to be deleted.
    package struct Abandoned: Sendable, Hashable {
        package let incarnation: UInt64
        package let command: UnfinishedCommand
    }

    package private(set) var windows: [UInt64: OriginWindow] = [:]
    /// Incarnations whose rows are not as the table is.
    private var changed: Set<UInt64> = []
    private var abandoned: [Abandoned] = []
    private var unfinishedBytes = 0

    package init(windows: [UInt64: OriginWindow] = [:]) {
        self.windows = windows
        unfinishedBytes = windows.values.reduce(0) { $0 + $1.unfinishedBytes }
    }

    /// An entry of this origin has come. -> its outcome if it was applied before, nil if it is new.
    package mutating func meet(_ origin: WriteOrigin, at index: LogIndex) -> ApplyOutcome? {
        let over = windows[origin.incarnation, default: OriginWindow()].advance(to: origin.lowestOpen, at: index)
        changed.insert(origin.incarnation)
        abandon(over, of: origin.incarnation)
        if windows.count > Limits.originIncarnationsMax { forgetIdlest() }
        return windows[origin.incarnation]?.standing(of: origin.sequence)
    }

    package mutating func settle(_ origin: WriteOrigin, _ outcome: ApplyOutcome) {
        let over = windows[origin.incarnation, default: OriginWindow()].settle(origin.sequence, outcome)
        changed.insert(origin.incarnation)
        abandon(over, of: origin.incarnation)
    }

    /// Notes a piece of a command that was met as new. -> whether its row is to be written, and whether it was the last.
    package mutating func add(
        piece number: Int, of count: Int, bytes: Int, origin: WriteOrigin, at index: LogIndex
    ) -> (isNew: Bool, isComplete: Bool) {
        let (isNew, isComplete, over) = windows[origin.incarnation, default: OriginWindow()].add(
            piece: number, of: count, bytes: bytes, sequence: origin.sequence, at: index)
        changed.insert(origin.incarnation)
        abandon(over, of: origin.incarnation)
        if isNew { unfinishedBytes += bytes }
        while unfinishedBytes > Limits.unfinishedBytesMax, giveUpOldest(but: origin) {}
        return (isNew, isComplete)
    }

    /// Rows to write (nil: to delete) since the last call, in the order of incarnations.
    package mutating func takeChanges() -> [(incarnation: UInt64, window: OriginWindow?)] {
        defer { changed = [] }
        return changed.sorted().map { ($0, windows[$0]) }
    }

    package mutating func takeAbandoned() -> [Abandoned] {
        defer { abandoned = [] }
        return abandoned
    }

    private mutating func abandon(_ over: [UnfinishedCommand], of incarnation: UInt64) {
        for command in over {
            unfinishedBytes -= command.bytes
            abandoned.append(Abandoned(incarnation: incarnation, command: command))
        }
    }

    private mutating func forgetIdlest() {
        // No two runs have the same last entry.
        guard let idlest = windows.min(by: { $0.value.lastEntry < $1.value.lastEntry })?.key else { return }
        abandon(windows[idlest]?.unfinished ?? [], of: idlest)
        windows[idlest] = nil
        changed.insert(idlest)
    }

    /// False where there is no other.
    private mutating func giveUpOldest(but origin: WriteOrigin) -> Bool {
        var oldest: (incarnation: UInt64, command: UnfinishedCommand)?
        for (incarnation, window) in windows {
            for command in window.unfinished
            where incarnation != origin.incarnation || command.sequence != origin.sequence {
                // No two commands began with the same entry.
                if oldest.map({ command.begun < $0.command.begun }) ?? true { oldest = (incarnation, command) }
            }
        }
        guard let oldest else { return false }
        abandon(windows[oldest.incarnation]?.giveUp(oldest.command.sequence) ?? [], of: oldest.incarnation)
        changed.insert(oldest.incarnation)
        return true
    }
}
