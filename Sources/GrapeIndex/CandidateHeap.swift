// HOT PATH

/// The best `capacity` of many candidates: a binary heap with the worst on top.
///
/// Entries order as in `Beam`: distance, then ordinal.
package struct CandidateHeap {
    private var entries: [UInt64] = []
    private let capacity: Int

    package init(capacity: Int) {
        precondition(capacity > 0, "a heap without room")
        self.capacity = capacity
        entries.reserveCapacity(min(capacity, 1_024))
    }

    @inline(__always)
    package static func entry(distance: Float, ordinal: UInt32) -> UInt64 {
        UInt64(Beam.orderedBits(distance)) << 32 | UInt64(ordinal) << 2
    }

    @inline(__always)
    package mutating func insert(distance: Float, ordinal: UInt32) {
        let entry = Self.entry(distance: distance, ordinal: ordinal)
        if entries.count < capacity {
            entries.append(entry)
            siftUp(entries.count - 1)
        } else if entry < entries[0] {
            entries[0] = entry
            siftDown()
        }
    }

    /// What is at this distance or farther is not taken.
    @inline(__always)
    package var bound: Float {
        // Entries of one distance order by ordinal: the next float is the first that is surely refused.
        entries.count < capacity ? .infinity : Beam.distance(entries[0]).nextUp
    }

    /// Best first.
    package consuming func sorted() -> [UInt64] { entries.sorted() }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[parent] < entries[child] else { return }
            entries.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < entries.count else { return }
            if child + 1 < entries.count, entries[child] < entries[child + 1] { child += 1 }
            guard entries[parent] < entries[child] else { return }
            entries.swapAt(parent, child)
            parent = child
        }
    }
}
