/// A register in whose history no value is written twice: the same verdicts as `RegisterModel`, in a search that hardly
/// ever goes wrong.
///
/// Every read names the one write that it saw, so a value can be overwritten only when all who saw it have had their
/// turn, and nothing of unknown outcome is left (see `settling`).
package struct UniqueRegisterModel: SequentialModel {
    package struct State: Hashable, Sendable {
        var value: Int?
        /// Operations that saw this value and have not had their turn.
        var observersLeft: Int
    }

    package enum Operation: Sendable {
        case read(Int?)
        case write(Int, observers: Int)
        case compareAndSet(expected: Int?, new: Int, observers: Int)
    }

    package let initialState: State

    package func apply(_ operation: Operation, to state: State) -> State? {
        switch operation {
        case .read(let value):
            return value == state.value ? State(value: value, observersLeft: state.observersLeft - 1) : nil
        case .write(let value, let observers):
            return state.observersLeft == 0 ? State(value: value, observersLeft: observers) : nil
        case .compareAndSet(let expected, let new, let observers):
            let isLast = state.observersLeft == 1 && state.value == expected
            return isLast ? State(value: new, observersLeft: observers) : nil
        }
    }

    // MARK: Settling

    /// The model and the history that decide about `history`, in which no value is written twice and a failed
    /// compare-and-set stands as a read of what it found (a bare failure may be the trace of a write that nobody read).
    ///
    /// 1. A write of unknown outcome that nobody saw may count as never done, or as done after everything else: it
    /// goes.
    /// 2. One that was seen took effect, and before the first operation that saw it completed: that is its end.
    /// 3. A read of unknown outcome says nothing: it goes.
    package static func settling(
        _ history: [TimedOperation<RegisterModel.Operation>]
    ) -> (model: Self, history: [TimedOperation<Operation>]) {
        let kept = ending(history)
        var observers: [Int?: Int] = [:]
        for timed in kept {
            if let value = timed.operation.seenValue { observers[value, default: 0] += 1 }
        }
        let model = Self(initialState: State(value: nil, observersLeft: observers[nil] ?? 0))
        return (model, kept.map { $0.counting(observers) })
    }

    /// Gives the writes of unknown outcome their ends, or leaves them out.
    private static func ending(
        _ history: [TimedOperation<RegisterModel.Operation>]
    ) -> [TimedOperation<RegisterModel.Operation>] {
        var kept = history.filter { $0.completion != nil }
        var unknown = history.filter { $0.completion == nil }
        // A compare-and-set of unknown outcome that was seen has itself seen something, hence the rounds.
        while true {
            let firstSeen = Dictionary(
                kept.compactMap { timed in timed.operation.seenValue.map { ($0, timed.completion ?? .max) } },
                uniquingKeysWith: min)
            var rest: [TimedOperation<RegisterModel.Operation>] = []
            for timed in unknown {
                guard let effect = timed.operation.possibleEffect else { continue }
                guard let seen = firstSeen[effect.value] else {
                    rest.append(timed)
                    continue
                }
                // Seen before it was called: left open, the search finds that no order exists.
                let end = seen > timed.call && seen != .max ? seen : nil
                kept.append(TimedOperation(effect.operation, call: timed.call, completion: end))
            }
            if rest.count == unknown.count || rest.isEmpty { return kept }
            unknown = rest
        }
    }
}

extension TimedOperation<RegisterModel.Operation> {
    fileprivate func counting(_ observers: [Int?: Int]) -> TimedOperation<UniqueRegisterModel.Operation> {
        let counted: UniqueRegisterModel.Operation
        switch operation {
        case .read(let value): counted = .read(value)
        case .write(let value): counted = .write(value, observers: observers[value] ?? 0)
        case .compareAndSet(let expected, let new, true):
            counted = .compareAndSet(expected: expected, new: new, observers: observers[new] ?? 0)
        default: preconditionFailure("\(operation) in a settled history")
        }
        return .init(counted, call: call, completion: completion)
    }
}

extension RegisterModel.Operation {
    /// The value that the operation found, itself nil for a register never written.
    fileprivate var seenValue: Int?? {
        switch self {
        case .read(let value): .some(value)
        case .compareAndSet(let expected, _, true): .some(expected)
        default: nil
        }
    }

    /// What an operation of unknown outcome did if it did anything.
    fileprivate var possibleEffect: (value: Int, operation: Self)? {
        switch self {
        case .write(let value): (value, self)
        case .compareAndSetOfUnknownOutcome(let expected, let new):
            (new, .compareAndSet(expected: expected, new: new, succeeded: true))
        default: nil
        }
    }
}
