/// Decides whether a history is linearizable: Wing and Gong's depth-first search over the orders that real time allows,
/// with Lowe's memory of configurations that led nowhere ("Testing for linearizability", 2017).
///
/// Calls and completions stand in one list in the order of time. The search takes the first operation whose call stands
/// before every open completion and whose outcome the model allows, lifts both its events out of the list and starts
/// again at the front. At a completion it is stuck (that operation had to come earlier), puts the last choice back and
/// tries the next. Departures from the paper: operations without a completion stay in the list to the end and need
/// never be taken, so the search ends when every completed operation has its place; and the search is bounded in steps,
/// since the problem is NP-complete and a check that never ends is worse than one that says so.
package struct LinearizabilityChecker<Model: SequentialModel> {
    package enum Verdict: Hashable, Sendable {
        case linearizable
        /// No order exists; the index of the operation that the search could never get past.
        case violated(stuckAt: Int)
        /// The bound on steps was reached first.
        case undecided
    }

    private struct Configuration: Hashable {
        var taken: [UInt64]
        var state: Model.State
    }

    private let model: Model
    private let stepsMax: Int

    /// - Parameter stepsMax: how many events of the list the search may look at.
    package init(model: Model, stepsMax: Int = 20_000_000) {
        self.model = model
        self.stepsMax = stepsMax
    }

    /// The verdict on several independent objects. One violation decides, so all are first searched with few steps and
    /// only those left open with more: an object that is hard to judge does not hide one that is easy.
    package func check(all histories: [[TimedOperation<Model.Operation>]]) -> Verdict {
        var open = histories
        var budget = min(stepsMax, 10_000)
        while true {
            var undecided: [[TimedOperation<Model.Operation>]] = []
            for history in open {
                switch check(history, stepsMax: budget) {
                case .linearizable: break
                case .undecided: undecided.append(history)
                case .violated(let operation): return .violated(stuckAt: operation)
                }
            }
            if undecided.isEmpty { return .linearizable }
            if budget == stepsMax { return .undecided }
            open = undecided
            budget = min(stepsMax, budget * 10)
        }
    }

    package func check(_ history: [TimedOperation<Model.Operation>]) -> Verdict {
        check(history, stepsMax: stepsMax)
    }

    private func check(_ history: [TimedOperation<Model.Operation>], stepsMax: Int) -> Verdict {
        var events = EventList(history)
        var open = history.count { $0.completion != nil }
        var state = model.initialState
        var taken = [UInt64](repeating: 0, count: (history.count + 63) / 64)
        var seen: Set<Configuration> = []
        var choices: [(operation: Int, before: Model.State)] = []
        var furthest = (position: -1, operation: 0)
        var event = events.first
        for _ in 0..<stepsMax {
            if open == 0 { return .linearizable }
            let operation = events.operation(of: event)
            if events.isCall(event) {
                guard let next = model.apply(history[operation].operation, to: state),
                    seen.insert(Configuration(taken: taken.inserting(operation), state: next)).inserted
                else {
                    event = events.next(event)
                    continue
                }
                choices.append((operation, state))
                state = next
                taken.toggle(operation)
                open -= history[operation].completion == nil ? 0 : 1
                events.lift(operation)
                event = events.first
            } else {
                if event > furthest.position { furthest = (event, operation) }
                guard let choice = choices.popLast() else { return .violated(stuckAt: furthest.operation) }
                state = choice.before
                taken.toggle(choice.operation)
                open += history[choice.operation].completion == nil ? 0 : 1
                events.unlift(choice.operation)
                event = events.next(events.call(of: choice.operation))
            }
        }
        return .undecided
    }
}

extension [UInt64] {
    fileprivate mutating func toggle(_ bit: Int) {
        self[bit / 64] ^= 1 << UInt64(bit % 64)
    }

    fileprivate func inserting(_ bit: Int) -> [UInt64] {
        var copy = self
        copy[bit / 64] |= 1 << UInt64(bit % 64)
        return copy
    }
}
