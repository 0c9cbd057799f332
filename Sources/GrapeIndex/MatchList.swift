import CVectorKernels
import Synchronization

/// The points whose numbers in columns were set, in order: what lists of matching points have yet to look at.
///
/// Thread safety: guarded by its mutex.
final class OrdinalJournal: Sendable {
    private struct State {
        var epoch: UInt64 = 0
        var ordinals: [UInt32] = []
    }

    private let state = Mutex(State())

    /// Everything up to here.
    var mark: JournalMark { state.withLock { JournalMark(epoch: $0.epoch, count: $0.ordinals.count) } }

    /// Beyond `max` entries the journal begins anew, and lists look through all points again.
    func append(_ ordinals: [Ordinal], max: Int) {
        state.withLock { state in
            if state.ordinals.count + ordinals.count > max {
                state.epoch += 1
                state.ordinals = []
            }
            for ordinal in ordinals { state.ordinals.append(ordinal.rawValue) }
        }
    }

    /// Lists that were made are void.
    func beginAnew() {
        state.withLock { state in
            state.epoch += 1
            state.ordinals = []
        }
    }

    /// Entries between a position and a mark; nil where they are not there any more.
    func entries(from position: Int, to mark: JournalMark) -> [UInt32]? {
        state.withLock { state in
            guard state.epoch == mark.epoch, position <= mark.count, mark.count <= state.ordinals.count else {
                return nil
            }
            return Array(state.ordinals[position..<mark.count])
        }
    }
}

/// A moment in the journal of an index, taken under a pin and before a filter is put into numbers: all points that the
/// pin shows are before it.
package struct JournalMark: Sendable {
    let epoch: UInt64
    let count: Int
}

/// The points that match a filter, kept from search to search.
///
/// Holds every point that matches by its numbers up to a mark; besides those, points that matched when they came and
/// whose ordinals have gone to others since. So whoever takes a point from it asks once more.
package final class MatchList: Sendable {
    private struct State {
        var mark: JournalMark?
        var ordinals: [UInt32] = []
        /// A bit an ordinal that is in the list.
        var members: [UInt64] = []
        /// Too many to be kept.
        var isBroad = false
    }

    private let state = Mutex(State())

    package init() {}

    /// The list up to the mark, or beyond; nil where more than one point in `IndexLimits.matchListShare` is in it.
    func ordinals(of index: CollectionIndex, view: MatchView, mark: JournalMark) -> [UInt32]? {
        state.withLock { state in
            if let known = state.mark, known.epoch == mark.epoch {
                guard mark.count > known.count, !state.isBroad else { return state.isBroad ? nil : state.ordinals }
                if let newcomers = index.journal.entries(from: known.count, to: mark) {
                    for ordinal in newcomers { Self.take(ordinal, view: view, &state) }
                    state.mark = mark
                    return state.ordinals
                }
            }
            Self.fill(&state, index: index, view: view)
            state.mark = mark
            return state.isBroad ? nil : state.ordinals
        }
    }

    private static func fill(_ state: inout State, index: CollectionIndex, view: MatchView) {
        let highWater = index.arena.highWater
        let most = highWater / IndexLimits.matchListShare
        state = State()
        state.members = Array(repeating: 0, count: highWater / 64 + 1)
        for ordinal in 0..<UInt32(highWater) where index.arena.view.location(ordinal) != .free {
            take(ordinal, view: view, &state)
            if state.ordinals.count > most {
                state = State()
                state.isBroad = true
                return
            }
        }
    }

    @inline(__always)
    private static func take(_ ordinal: UInt32, view: MatchView, _ state: inout State) {
        guard view.matchesFields(ordinal) else { return }
        let word = Int(ordinal / 64)
        while state.members.count <= word { state.members.append(0) }
        let bit: UInt64 = 1 << UInt64(ordinal % 64)
        guard state.members[word] & bit == 0 else { return }
        state.members[word] |= bit
        state.ordinals.append(ordinal)
    }
}
