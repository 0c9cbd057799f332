import CVectorKernels
import Synchronization

/// Points that are not in the graph yet, in order of birth. Searches scan them; index threads move them away.
///
/// Thread safety:
///  1. Points are appended, claimed and dropped under `state`; a search takes it once, for the list of segments.
///  2. A slot is read without a lock. It is cleared after its point is wholly in the graph, so a search that finds the
///     slot empty finds the point in the graph, provided it walks the graph after it has read the tail.
///  3. A segment that has left the list stays as it is for the searches that hold it.
final class Tail: @unchecked Sendable {
    /// Slots that one index thread works on: it clears or puts back each that is not cleared yet.
    struct Claim {
        let segment: TailSegment
        let slots: Range<Int>
    }

    private struct State: @unchecked Sendable {
        var segments: [TailSegment] = []
        /// No segment before this one has unclaimed slots.
        var firstUnclaimed = 0
        /// Slots claimed and not yet cleared.
        var outstanding = 0
        var count = 0
    }

    private let state = Mutex(State())

    /// Points in the tail, those being moved included.
    var count: Int { state.withLock { $0.count } }

    var bytes: Int { state.withLock { $0.segments.count } * IndexLimits.tailSegmentPoints * 4 }

    /// The segments as they are now; their slots go on being cleared.
    func snapshot() -> [TailSegment] { state.withLock { $0.segments } }

    func append(_ ordinal: UInt32) {
        state.withLock { Self.append(ordinal, to: &$0) }
    }

    /// Reserves the oldest slots that nobody works on; nil when there are none.
    func claim(max: Int) -> Claim? {
        precondition(max > 0, "nothing to claim")
        return state.withLock { state in
            while state.firstUnclaimed < state.segments.count {
                let segment = state.segments[state.firstUnclaimed]
                let start = segment.claimed
                let end = min(start + max, segment.count)
                if start < end {
                    segment.claimed = end
                    let waiting = (start..<end).count { segment.ordinal($0) != GRAPE_NO_ORDINAL }
                    guard waiting > 0 else { continue }
                    state.outstanding += waiting
                    return Claim(segment: segment, slots: start..<end)
                }
                guard segment.isFull else { return nil }
                state.firstUnclaimed += 1
            }
            return nil
        }
    }

    /// Clears a claimed slot: its point is in the graph, or dead.
    func clear(_ segment: TailSegment, slot: Int) {
        segment.clear(slot)
        state.withLock { state in
            precondition(state.outstanding > 0, "cleared more slots than were claimed")
            state.outstanding -= 1
            state.count -= 1
            Self.dropIfEmpty(segment, &state)
        }
    }

    /// Puts a claimed point back at the end: some search still needs it here.
    func putBack(_ segment: TailSegment, slot: Int) {
        state.withLock { Self.append(segment.ordinal(slot), to: &$0) }
        clear(segment, slot: slot)
    }

    /// Clears unclaimed slots whose points are gone for everybody; returns these points.
    func removeAll(where isGone: (UInt32) -> Bool) -> [UInt32] {
        var removed: [UInt32] = []
        for segment in snapshot() {
            state.withLock { state in
                for slot in segment.claimed..<segment.count {
                    let ordinal = segment.ordinal(slot)
                    guard ordinal != GRAPE_NO_ORDINAL, isGone(ordinal) else { continue }
                    segment.clear(slot)
                    state.count -= 1
                    removed.append(ordinal)
                }
                Self.dropIfEmpty(segment, &state)
            }
        }
        compactIfSparse()
        return removed
    }

    /// Rewrites the list when most of it is empty slots; not while somebody works on slots of it.
    private func compactIfSparse() {
        state.withLock { state in
            let needed = state.count / IndexLimits.tailSegmentPoints + 1
            guard state.outstanding == 0, state.segments.count > 4 * needed + 2 else { return }
            let old = state.segments
            state.segments = []
            state.firstUnclaimed = 0
            state.count = 0
            for segment in old {
                for slot in 0..<segment.count {
                    let ordinal = segment.ordinal(slot)
                    if ordinal != GRAPE_NO_ORDINAL { Self.append(ordinal, to: &state) }
                }
            }
        }
    }

    private static func append(_ ordinal: UInt32, to state: inout State) {
        if let last = state.segments.last, !last.isFull {
            last.append(ordinal)
        } else {
            let segment = TailSegment()
            segment.append(ordinal)
            state.segments.append(segment)
        }
        state.count += 1
    }

    private static func dropIfEmpty(_ segment: TailSegment, _ state: inout State) {
        guard segment.isFull, segment.isCleared, let index = state.segments.firstIndex(where: { $0 === segment })
        else { return }
        state.segments.remove(at: index)
        if index < state.firstUnclaimed { state.firstUnclaimed -= 1 }
    }
}
