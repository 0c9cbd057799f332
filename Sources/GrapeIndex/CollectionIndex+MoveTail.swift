import CVectorKernels
import Synchronization

extension CollectionIndex {
    /// Moves up to `max` of the oldest points of the tail into the graph; returns how many it has moved. Any number of
    /// threads may call this at once. Does nothing while the collection is so small that scanning it is cheaper.
    package func moveTail(max: Int) -> Int {
        guard graph.entry != nil || live >= IndexLimits.graphThreshold else { return 0 }
        var moved = 0
        var left = max
        while left > 0, let claim = tail.claim(max: min(IndexLimits.claimMax, left)) {
            left -= claim.slots.count
            for slot in claim.slots where move(claim.segment, slot: slot) { moved += 1 }
        }
        return moved
    }

    private func move(_ segment: TailSegment, slot: Int) -> Bool {
        let ordinal = segment.ordinal(slot)
        guard ordinal != GRAPE_NO_ORDINAL else { return false }
        let points = arena.view
        if points.isDead(ordinal) {
            leaveOut(ordinal, segment, slot: slot)
            return false
        }
        points.setLocation(ordinal, .claimed)
        SearchScratch.with { scratch in
            withExtendedLifetime(clock.pin()) { graph.insert(ordinal, scratch: scratch) }
        }
        tail.clear(segment, slot: slot)
        // Last: as long as the point is claimed no sweep touches it, and no slot may name an ordinal that is swept.
        points.setLocation(ordinal, .graph)
        points.markDirty(ordinal)
        return true
    }

    /// A dead point is not worth linking. It stays in the tail while some pin may show it.
    private func leaveOut(_ ordinal: UInt32, _ segment: TailSegment, slot: Int) {
        guard arena.view.death(ordinal) <= clock.oldestPin.rawValue else {
            tail.putBack(segment, slot: slot)
            return
        }
        arena.view.setLocation(ordinal, .retired)
        tail.clear(segment, slot: slot)
        dropped.withLock { $0.append(ordinal) }
    }
}
