import Synchronization

/// The sequence by which a node's changes become visible (one clock a node, shared by all its indexes).
///
/// A batch of changes takes one stamp. Points born and killed under it carry the stamp from the moment of the change,
/// but no search sees it until the whole batch is done and the stamp is published: a search pinned at S sees exactly
/// the points with birth ≤ S < death, whatever happens meanwhile.
///
/// Thread safety: any thread may call anything.
///  1. Stamps are given and published under `writer`, so they are published in order and without gaps.
///  2. A pin first stores a stamp that was published, then reads the published stamp again and uses that. Whoever
///     publishes R and then finds no slot below R may conclude that every later pin has a stamp of R or more: a pin
///     that it overlooked stored its slot after the look, so its second read comes after R.
package final class VisibilityClock: Sendable {
    private let writer = Mutex<Void>(())
    private let publishedStamp = Atomic<UInt64>(0)
    private let slots = PinSlots()

    package init() {}

    /// Runs `body` with the next stamp and publishes the stamp when it returns. One at a time; not to be nested.
    package func publish<Result>(_ body: (Stamp) -> Result) -> Result {
        writer.withLock { _ in
            let next = publishedStamp.load(ordering: .relaxed) + 1
            let result = body(Stamp(rawValue: next))
            publishedStamp.store(next, ordering: .sequentiallyConsistent)
            return result
        }
    }

    /// Holds the present state: what it shows stays in memory until the pin is released.
    package func pin() -> VisibilityPin {
        let slot = slots.acquire { publishedStamp.load(ordering: .sequentiallyConsistent) }
        return VisibilityPin(
            stamp: Stamp(rawValue: publishedStamp.load(ordering: .sequentiallyConsistent)), slot: slot, slots: slots)
    }

    /// The newest stamp that searches see.
    package var published: Stamp {
        Stamp(rawValue: publishedStamp.load(ordering: .sequentiallyConsistent))
    }

    /// No pin, held now or taken later, has a stamp below this one.
    package var oldestPin: Stamp {
        let newest = publishedStamp.load(ordering: .sequentiallyConsistent)
        return Stamp(rawValue: min(newest, slots.oldest))
    }
}

/// Holds one state of a node's indexes visible. Releases it when the last reference goes.
package final class VisibilityPin: Sendable {
    package let stamp: Stamp
    private let slot: PinSlots.Slot
    private let slots: PinSlots

    fileprivate init(stamp: Stamp, slot: PinSlots.Slot, slots: PinSlots) {
        self.stamp = stamp
        self.slot = slot
        self.slots = slots
    }

    deinit {
        slots.release(slot)
    }
}
