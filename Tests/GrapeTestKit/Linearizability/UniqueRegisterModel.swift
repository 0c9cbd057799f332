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
    /// 1. A write of unknown outcome that nobody saw may count as never done, or as done after everything else: it goes.
    /// 2. One that was seen took effect, and before the first operation that saw it completed: that is its end.
    /// 3. A read of unknown outcome says nothing: it goes.
    package static func settling(
        _ history: [TimedOperation<RegisterModel.Operation>]
    ) -> (model: Self, history: [TimedOperation<Operation>]) {
        var firstSeen: [Int?: Int] = [:]
        for timed in history {
            guard let completion = timed.completion, let value = timed.operation.seenValue else { continue }
            firstSeen[value] = min(firstSeen[value] ?? .max, completion)
        }
        let kept = history.compactMap { timed -> TimedOperation<RegisterModel.Operation>? in
            if timed.completion != nil { return timed }
            guard let effect = timed.operation.possibleEffect, let seen = firstSeen[effect.value] else { return nil }
            // Seen before it was called: left open, the search finds that no order exists.
            return TimedOperation(effect.operation, call: timed.call, completion: seen > timed.call ? seen : nil)
        }
        var observers: [Int?: Int] = [:]
        for timed in kept {
            if let value = timed.operation.seenValue { observers[value, default: 0] += 1 }
        }
        let model = Self(initialState: State(value: nil, observersLeft: observers[nil] ?? 0))
        return (model, kept.map { $0.counting(observers) })
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
