import CVectorKernels
import Synchronization

/// A fixed run of the tail's slots.
///
/// Thread safety: slots are appended, claimed and cleared under the tail's lock (`claimed` and `cleared` are read only
/// there too); `count` and the slots are atomics that searches read.
final class TailSegment: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<UInt32>
    private let appended = Atomic<Int>(0)
    private let cleared = Atomic<Int>(0)
    /// Invariant: slots below are claimed or have been skipped; `claimed <= count`.
    var claimed = 0

    init() {
        slots = .allocate(capacity: IndexLimits.tailSegmentPoints)
    }

    deinit {
        slots.deallocate()
    }

    var count: Int { appended.load(ordering: .acquiring) }
    var isFull: Bool { count == IndexLimits.tailSegmentPoints }
    var isCleared: Bool { cleared.load(ordering: .acquiring) == count }

    /// The point in a slot, `GRAPE_NO_ORDINAL` once it is cleared.
    func ordinal(_ slot: Int) -> UInt32 { grape_load_u32(slots + slot) }

    func append(_ ordinal: UInt32) {
        let slot = count
        precondition(slot < IndexLimits.tailSegmentPoints, "segment is full")
        grape_store_u32(slots + slot, ordinal)
        appended.store(slot + 1, ordering: .releasing)
    }

    func clear(_ slot: Int) {
        precondition(slot < count && ordinal(slot) != GRAPE_NO_ORDINAL, "slot \(slot) is cleared already")
        grape_publish_u32(slots + slot, GRAPE_NO_ORDINAL)
        cleared.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }

    /// Copies the points of the slots from `start` on to `ordinals`, cleared ones left out; returns how many slots were
    /// read and how many points written.
    func copy(from start: Int, to ordinals: UnsafeMutablePointer<UInt32>, max: Int) -> (slots: Int, points: Int) {
        let end = Swift.min(count, start + max)
        var points = 0
        for slot in start..<Swift.max(start, end) {
            let ordinal = grape_load_u32(slots + slot)
            ordinals[points] = ordinal
            points += ordinal == GRAPE_NO_ORDINAL ? 0 : 1
        }
        return (end - start, points)
    }
}
