import Dispatch
import Synchronization

/// The strong reads of this node that are under way, and whether a round for those that wait is worth its messages yet.
///
/// A round costs about as much as a search. So it waits until half of the crowd is there to share it, as the others are at
/// work, or on the wire, and will be back with the next question; but not for long. The crowd is as large as it was lately.
///
/// Thread safety: the counts are atomic, the rest guarded by its mutex.
package final class ReadCrowd: Sendable {
    private let count = Atomic<Int>(0)
    /// The most reads at a time; forgotten by a quarter a round.
    private let most = Atomic<Int>(0)
    /// Until when a round is held; nil where none is.
    private let heldUntil = Mutex<DispatchTime?>(nil)

    package static let patience = DispatchTimeInterval.milliseconds(2)

    package init() {}

    package func enter() {
        let now = count.add(1, ordering: .relaxed).newValue
        if now > most.load(ordering: .relaxed) { most.store(now, ordering: .relaxed) }
    }

    /// -> whether a round is held that may be worth it now.
    package func leave() -> Bool {
        count.subtract(1, ordering: .relaxed)
        return heldUntil.withLock { $0 != nil }
    }

    package enum Decision {
        case begin
        /// To be asked again when the patience is over.
        case hold
        /// Somebody will ask again.
        case stillHeld
    }

    package func decide(waiting: Int) -> Decision {
        let (now, lately) = (count.load(ordering: .relaxed), most.load(ordering: .relaxed))
        let isEnough = waiting * 2 >= max(now, lately)
        return heldUntil.withLock { until in
            if isEnough || until.map({ $0 <= .now() }) ?? false {
                most.store(max(now, lately - max(1, lately / 4)), ordering: .relaxed)
                until = nil
                return .begin
            }
            if until != nil { return .stillHeld }
            until = .now() + Self.patience
            return .hold
        }
    }
}
