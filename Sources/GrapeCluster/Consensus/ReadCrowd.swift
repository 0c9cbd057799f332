import Dispatch
import Synchronization

/// The strong reads of this node that are under way, and whether a round for those that wait is worth its messages yet.
///
/// A round costs about as much as a search. So it waits until seven eighths of the crowd are there to share it, as the
/// others are at work, or on the wire, and will be back with the next question; but not for long. The crowd is as large as it
/// was lately.
///
/// Thread safety: the counts are atomic, the rest guarded by its mutex.
package final class ReadCrowd: Sendable {
    private let count = Atomic<Int>(0)
    /// The most reads at a time; forgotten by a quarter a round.
    private let most = Atomic<Int>(0)

    private struct Hold {
        /// Until when a round is held; nil where none is.
        var until: DispatchTime?
        /// Whether somebody will ask again by the clock.
        var hasTimer = false
    }

    private let hold = Mutex(Hold())

    package static let patience = DispatchTimeInterval.milliseconds(2)

    package init() {}

    package func enter() {
        let now = count.add(1, ordering: .relaxed).newValue
        if now > most.load(ordering: .relaxed) { most.store(now, ordering: .relaxed) }
    }

    /// -> whether a round is held that may be worth it now.
    package func leave() -> Bool {
        count.subtract(1, ordering: .relaxed)
        return hold.withLock { $0.until != nil }
    }

    package enum Decision: Equatable {
        case begin
        /// To be asked again at this time, by `timerEnded`.
        case hold(until: DispatchTime)
        /// Somebody will ask again.
        case stillHeld
    }

    package func decide(waiting: Int, at time: @autoclosure () -> DispatchTime = .now()) -> Decision {
        let (now, lately) = (count.load(ordering: .relaxed), most.load(ordering: .relaxed))
        let isEnough = waiting * 8 >= max(now, lately) * 7
        return hold.withLock { hold in
            if isEnough || hold.until.map({ $0 <= time() }) ?? false {
                most.store(max(now, lately - max(1, lately / 4)), ordering: .relaxed)
                hold.until = nil
                return .begin
            }
            let until = hold.until ?? time() + Self.patience
            hold.until = until
            if hold.hasTimer { return .stillHeld }
            hold.hasTimer = true
            return .hold(until: until)
        }
    }

    /// The time has come; where a round begun meanwhile and another is held, a timer is asked for anew. Setting one costs
    /// as much as a message, so there is never more than one.
    package func timerEnded() { hold.withLock { $0.hasTimer = false } }
}
