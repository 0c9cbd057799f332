import GrapeTestKit

/// The checker's naive twin: tries every order that real time allows, remembers nothing.
enum NaiveLinearizability {
    static func isLinearizable<Model: SequentialModel>(
        _ history: [TimedOperation<Model.Operation>], _ model: Model
    ) -> Bool {
        extend(history, model.initialState, model)
    }

    private static func extend<Model: SequentialModel>(
        _ rest: [TimedOperation<Model.Operation>], _ state: Model.State, _ model: Model
    ) -> Bool {
        guard let deadline = rest.compactMap(\.completion).min() else { return true }
        for index in rest.indices where rest[index].call <= deadline {
            guard let next = model.apply(rest[index].operation, to: state) else { continue }
            var shorter = rest
            shorter.remove(at: index)
            if extend(shorter, next, model) { return true }
        }
        return false
    }
}

/// Tiny histories on few values, so that about half of them are linearizable.
enum RandomHistory {
    static func register(using random: inout Xoshiro256) -> [TimedOperation<RegisterModel.Operation>] {
        let count = Int.random(in: 1...6, using: &random)
        var times = Array(0..<(2 * count)).shuffled(using: &random)[...]
        return (0..<count).map { _ in
            let (first, second) = (times.removeFirst(), times.removeFirst())
            let isKnown = Int.random(in: 0..<5, using: &random) > 0
            return TimedOperation(
                operation(isKnown: isKnown, using: &random), call: min(first, second),
                completion: isKnown ? max(first, second) : nil)
        }
    }

    private static func operation(isKnown: Bool, using random: inout Xoshiro256) -> RegisterModel.Operation {
        let value = Int.random(in: 0..<3, using: &random)
        let other = Int.random(in: 0..<3, using: &random)
        switch (Int.random(in: 0..<4, using: &random), isKnown) {
        case (0, _): return .write(value)
        case (1, true):
            return .compareAndSet(expected: other, new: value, succeeded: Bool.random(using: &random))
        case (1, false): return .compareAndSetOfUnknownOutcome(expected: other, new: value)
        case (_, true): return .read(value == 0 ? nil : value)
        case (_, false): return .readOfUnknownOutcome
        }
    }
}

extension RandomHistory {
    /// No value is written twice, no compare-and-set fails.
    static func uniqueRegister(using random: inout Xoshiro256) -> [TimedOperation<RegisterModel.Operation>] {
        let count = Int.random(in: 1...6, using: &random)
        var times = Array(0..<(2 * count)).shuffled(using: &random)[...]
        return (1...count).map { value in
            let (first, second) = (times.removeFirst(), times.removeFirst())
            let isKnown = Int.random(in: 0..<4, using: &random) > 0
            let seen = Int.random(in: 0...count, using: &random)
            let expected = seen == 0 || seen == value ? nil : seen
            let operation: RegisterModel.Operation
            switch (Int.random(in: 0..<4, using: &random), isKnown) {
            case (0, _), (1, _): operation = .write(value)
            case (2, true): operation = .compareAndSet(expected: expected, new: value, succeeded: true)
            case (2, false): operation = .compareAndSetOfUnknownOutcome(expected: expected, new: value)
            case (_, true): operation = .read(expected)
            case (_, false): operation = .readOfUnknownOutcome
            }
            return TimedOperation(
                operation, call: min(first, second), completion: isKnown ? max(first, second) : nil)
        }
    }
}
