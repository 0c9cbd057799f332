// HOT PATH

/// The candidates of a walk in one sorted array: what HNSW keeps in two heaps.
///
/// The array holds the `width` best candidates that may be answers, and between them those that may not ("hidden":
/// dead, or not matching a filter), which the walk still goes through. A candidate worse than the worst of `width`
/// answers is neither kept nor expanded, exactly as with the two heaps. With a `Reach` neither is one that lies too far
/// behind the best found so far.
///
/// An entry is 64 bits: the distance in a form that orders as an unsigned number, the ordinal, and two flags. Comparing
/// entries is comparing integers, so the order is total whatever the distances are.
package struct Beam {
    private static let expandedFlag: UInt64 = 1
    private static let hiddenFlag: UInt64 = 2

    package private(set) var entries: UnsafeMutablePointer<UInt64>
    private var capacity: Int
    package private(set) var count = 0
    private var answers = 0
    private var width = 1
    private var reach = Reach.unlimited
    /// No entry before this one is waiting to be expanded.
    private var cursor = 0
    /// A candidate at this distance or farther is not taken.
    package private(set) var bound = Float.infinity

    package init() {
        capacity = 256
        entries = .allocate(capacity: capacity)
    }

    /// For the owner's deinit.
    package func deallocate() {
        entries.deallocate()
    }

    package mutating func reset(width: Int, reach: Reach = .unlimited) {
        precondition(width > 0, "a beam without width")
        self.width = width
        self.reach = reach
        count = 0
        answers = 0
        cursor = 0
        bound = .infinity
        if capacity < width + 1 { grow(to: width + 1) }
    }

    /// True if the candidate is now the next to be expanded.
    @inline(__always)
    @discardableResult
    package mutating func insert(distance: Float, ordinal: UInt32, isHidden: Bool) -> Bool {
        let entry = UInt64(Self.orderedBits(distance)) << 32 | UInt64(ordinal) << 2 | (isHidden ? Self.hiddenFlag : 0)
        var position = 0
        var length = count
        while length > 0 {
            let half = length >> 1
            let isAfter = entries[position + half] < entry
            position = isAfter ? position + half + 1 : position
            length = isAfter ? length - half - 1 : half
        }
        if count == capacity { grow(to: 2 * capacity) }
        (entries + position + 1).update(from: entries + position, count: count - position)
        entries[position] = entry
        count += 1
        let isNext = position <= cursor
        if isNext { cursor = position }
        guard !isHidden else { return isNext }
        answers += 1
        if answers >= width { trim() }
        if position < reach.rank &+ (count - answers) { tighten() }
        return isNext
    }

    /// The nearest candidate not yet expanded; marks it so. None if that lies beyond the bound.
    @inline(__always)
    package mutating func expandNext() -> UInt32? {
        while cursor < count {
            let entry = entries[cursor]
            guard Self.distance(entry) <= bound else { return nil }
            cursor += 1
            if entry & Self.expandedFlag == 0 {
                entries[cursor - 1] = entry | Self.expandedFlag
                return Self.ordinal(entry)
            }
        }
        return nil
    }

    /// The candidate that will be expanded next unless a nearer one comes.
    @inline(__always)
    package var upcoming: UInt32? { cursor < count ? Self.ordinal(entries[cursor]) : nil }

    @inline(__always)
    package func ordinal(at position: Int) -> UInt32 { Self.ordinal(entries[position]) }

    @inline(__always)
    package func distance(at position: Int) -> Float { Self.distance(entries[position]) }

    @inline(__always)
    package func isHidden(at position: Int) -> Bool { entries[position] & Self.hiddenFlag != 0 }

    /// Drops what is worse than the worst of `width` answers.
    @inline(__always)
    private mutating func trim() {
        if answers > width {
            // The last entry is an answer: the last call has left it so.
            count -= 1
            answers -= 1
        }
        while entries[count - 1] & Self.hiddenFlag != 0 { count -= 1 }
        bound = min(bound, Self.distance(entries[count - 1]))
    }

    /// Draws the bound nearer to the answer whose rank tells how far the walk need reach. Hidden candidates among the
    /// best make it look at one farther away, never nearer.
    @inline(__always)
    private mutating func tighten() {
        let place = reach.rank - 1 + (count - answers)
        guard place < count else { return }
        bound = min(bound, reach.bound(for: Self.distance(entries[place])))
    }

    @inline(never)
    private mutating func grow(to newCapacity: Int) {
        let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: newCapacity)
        larger.update(from: entries, count: count)
        entries.deallocate()
        entries = larger
        capacity = newCapacity
    }

    /// Bits of a float that compare as unsigned numbers in the order of the floats.
    @inline(__always)
    package static func orderedBits(_ value: Float) -> UInt32 {
        let bits = value.bitPattern
        return bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
    }

    @inline(__always)
    package static func distance(_ entry: UInt64) -> Float {
        let bits = UInt32(truncatingIfNeeded: entry >> 32)
        return Float(bitPattern: bits >> 31 == 0 ? ~bits : bits & 0x7FFF_FFFF)
    }

    @inline(__always)
    package static func ordinal(_ entry: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: entry & 0xFFFF_FFFF) >> 2 }
}

extension Beam {
    /// How far behind the best answers a walk looks for more: where the tenth best is at a distance D from the query,
    /// what lies a share of D farther away hardly leads to anything nearer. A query in a dense place, or one whose
    /// neighbours were found at once, so costs less than one that the walk has to search for.
    ///
    /// Follows Al-Jazzazi and others, "Distance adaptive beam search for provably accurate graph-based nearest neighbor
    /// search" (2025). Departs in the rank, which grows with the width, so that a wider beam still finds more, and in
    /// allowing for estimates.
    package struct Reach: Sendable {
        /// Of the answer that counts, from 1.
        package let rank: Int
        /// Distance of the query from itself.
        let origin: Float
        /// Of the distance.
        let share: Float
        /// Of the root of the distance: so estimates go wrong.
        let rootShare: Float

        package init(rank: Int, origin: Float, share: Float, rootShare: Float = 0) {
            precondition(rank > 0, "a reach from nobody")
            self.rank = rank
            self.origin = origin
            self.share = share
            self.rootShare = rootShare
        }

        private init() {
            // Room for the hidden, which are added to it.
            rank = .min / 2
            (origin, share, rootShare) = (0, 0, 0)
        }

        /// Only the width bounds the walk.
        package static let unlimited = Reach()

        @inline(__always)
        func bound(for distance: Float) -> Float {
            let length = max(0, distance - origin)
            return origin + length + max(share * length, rootShare * length.squareRoot())
        }
    }
}
