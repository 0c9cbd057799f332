extension [TimedOperation<RegisterModel.Operation>] {
    /// An equivalent history that is quick to judge, given that no value was written twice: nothing of unknown outcome is
    /// left in it.
    ///
    /// 1. A write that nobody saw may count as never done, or as done after everything else: it goes.
    /// 2. A write that was seen took effect, and before the first operation that saw it completed: that is its end.
    /// 3. A read of unknown outcome says nothing: it goes.
    package func settled() -> Self {
        var firstSeen: [Int: Int] = [:]
        for timed in self {
            guard let completion = timed.completion, let value = timed.operation.seenValue else { continue }
            firstSeen[value] = Swift.min(firstSeen[value] ?? .max, completion)
        }
        return compactMap { timed in
            if timed.completion != nil { return timed }
            guard let (value, effect) = timed.operation.possibleEffect, let seen = firstSeen[value] else { return nil }
            // Seen before it was called: left open, the checker finds that no order exists.
            return TimedOperation(effect, call: timed.call, completion: seen > timed.call ? seen : nil)
        }
    }
}

extension RegisterModel.Operation {
    /// The value that the operation found.
    fileprivate var seenValue: Int? {
        switch self {
        case .read(let value): value
        case .compareAndSet(let expected, _, true): expected
        default: nil
        }
    }

    /// What an operation of unknown outcome did if it did anything.
    fileprivate var possibleEffect: (value: Int, effect: Self)? {
        switch self {
        case .write(let value): (value, self)
        case .compareAndSetOfUnknownOutcome(let expected, let new):
            (new, .compareAndSet(expected: expected, new: new, succeeded: true))
        default: nil
        }
    }
}
