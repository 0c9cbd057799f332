import CVectorKernels
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A hierarchical navigable small world graph over the points of an arena.
///
/// Follows Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable
/// small world graphs" (2018), with the heuristic choice of neighbours (algorithm 4, without extending candidates and
/// without filling up). Departures:
///  * points are also removed (`HNSWGraph+Remove`): the paper only adds;
///  * a point's in-degree on level 0 is counted, and its last incoming link is not dropped when a neighbour's list is
///    cut, so every point stays findable, ten thousand copies of one vector among them;
///  * of several copies of the new point one becomes its neighbour (the paper would take as many as fit), and that
///    copy's links are candidates too: a cluster of copies keeps ways out.
///
/// Thread safety:
///  1. Searches hold no lock. They read links by relaxed loads, and every link leads to a point whose vector is
/// complete.
///  2. The links of a point change under the lock in its record. A link that stays keeps its slot, so a search that
///     reads a list while it is cut misses nothing that stays.
///  3. A new point's own lists are complete on all its levels before the first link leads to it; links lead to it on
///     level 0 before they do above.
///  4. `entry` changes under `entryLock`.
///  5. Inserts and searches run under a pin, so that no ordinal they meet is reused meanwhile.
final class HNSWGraph: @unchecked Sendable {
    let parameters: IndexParameters
    let arena: PointArena
    let upperLinks: UpperLinks
    let space: VectorSpace
    let quantizer: BinaryQuantizer?

    private let entryWord = Atomic<UInt64>(HNSWGraph.noEntry)
    private let entryLock = Mutex<Void>(())
    private let levelsDrawn = Atomic<UInt64>(0)
    private let pointCount = Atomic<Int>(0)
    private let newestBirthStamp = Atomic<UInt64>(0)
    private let levelScale: Double

    private static let noEntry = UInt64.max

    /// Where walks start.
    struct Entry: Equatable {
        let ordinal: UInt32
        let level: Int
    }

    init(parameters: IndexParameters, arena: PointArena) throws(IndexError) {
        self.parameters = parameters
        self.arena = arena
        upperLinks = try UpperLinks(m: parameters.m)
        space = VectorSpace(parameters: parameters, layout: arena.layout)
        quantizer = parameters.keepsCodes ? BinaryQuantizer(parameters: parameters, layout: arena.layout) : nil
        levelScale = 1 / log(Double(parameters.m))
    }

    /// Points that links may lead to, dead ones that wait for a sweep among them.
    var count: Int { pointCount.load(ordering: .acquiring) }

    /// No point of the graph was born after this stamp.
    var newestBirth: UInt64 { newestBirthStamp.load(ordering: .sequentiallyConsistent) }

    var entry: Entry? {
        let word = entryWord.load(ordering: .acquiring)
        return word == Self.noEntry ? nil : Entry(ordinal: UInt32(truncatingIfNeeded: word), level: Int(word >> 32))
    }

    /// Counts a point in before any link leads to it.
    func admit(_ ordinal: UInt32) {
        countIn()
        noteBirth(arena.view.birth(ordinal))
    }

    func countIn() {
        pointCount.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }

    func noteBirth(_ birth: UInt64) {
        // Bounded: another thread's exchange only raises the stamp.
        var seen = newestBirth
        while birth > seen {
            let result = newestBirthStamp.compareExchange(
                expected: seen, desired: birth, ordering: .sequentiallyConsistent)
            if result.exchanged { return }
            seen = result.original
        }
    }

    func dismiss(count: Int) {
        precondition(count <= self.count, "more points leave the graph than are in it")
        pointCount.wrappingSubtract(count, ordering: .acquiringAndReleasing)
    }

    /// Makes `ordinal` the entry if there is none, or if it is higher than the present one.
    func offerEntry(_ ordinal: UInt32, level: Int) {
        entryLock.withLock { _ in
            if let entry, entry.level >= level { return }
            setEntry(Entry(ordinal: ordinal, level: level))
        }
    }

    /// Makes `ordinal` the entry if there is none; false if there is.
    func becomeFirstEntry(_ ordinal: UInt32, level: Int) -> Bool {
        entryLock.withLock { _ in
            guard entry == nil else { return false }
            setEntry(Entry(ordinal: ordinal, level: level))
            return true
        }
    }

    /// Replaces an entry that `isGone` by what `successor` finds.
    func replaceEntry(where isGone: (UInt32) -> Bool, successor: () -> Entry?) {
        entryLock.withLock { _ in
            guard let entry, isGone(entry.ordinal) else { return }
            setEntry(successor())
        }
    }

    private func setEntry(_ entry: Entry?) {
        let word = entry.map { UInt64($0.level) << 32 | UInt64($0.ordinal) } ?? Self.noEntry
        entryWord.store(word, ordering: .sequentiallyConsistent)
    }

    /// A level from the geometric distribution that keeps one point in m for the next level up.
    func drawLevel() -> Int {
        let drawn = levelsDrawn.wrappingAdd(1, ordering: .relaxed).newValue
        let bits = SplitMix64.mix(parameters.seed &+ drawn &* 0x9E37_79B9_7F4A_7C15) >> 11
        let uniform = (Double(bits) + 1) / Double(1 << 53 + 1)
        return min(IndexLimits.levelMax, Int(-log(uniform) * levelScale))
    }
}

extension HNSWGraph {
    /// Gives back the lists above level 0 of a point that nothing links to.
    func freeUpperLinks(of ordinal: UInt32) {
        let points = arena.view
        let block = points.upperBlock(ordinal)
        guard block != GRAPE_NO_ORDINAL else { return }
        upperLinks.free(block, level: points.level(ordinal))
        points.setUpperBlock(ordinal, GRAPE_NO_ORDINAL)
        points.setLevel(ordinal, 0)
    }
}
