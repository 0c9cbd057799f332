/// Decides without search whether a settled history of a register is linearizable, in time quadratic in the number of
/// values (after Gibbons and Korach, "Testing shared memories", 1997; compare-and-sets are added here).
///
/// No value is written twice, so all operations on one value (its write and its reads) lie together in any order: a
/// *cluster*. A compare-and-set is the write of its new value and must follow the cluster of the value that it found at
/// once: such clusters form a *chain*. Of two chains, A must come before B if an operation of A completed before one
/// of B was called.
///
/// The history is linearizable if 1. every value that was seen was written, and found by one compare-and-set at most;
/// 2. no read completed before its write was called; 3. no operation of a later cluster of a chain completed before one
/// of an earlier cluster was called; 4. the chains can be put in an order, the one of the first value in front.
package enum UniqueRegisterOrder {
    private typealias Operation = TimedOperation<UniqueRegisterModel.Operation>

    /// What a run of operations says about time: nothing of it is over before `firstEnd`, and something of it begins
    /// as late as `lastCall`.
    private struct Zone {
        var firstEnd = Int.max
        var lastCall = Int.min

        mutating func add(_ operation: Operation) {
            firstEnd = min(firstEnd, operation.completion ?? .max)
            lastCall = max(lastCall, operation.call)
        }

        mutating func add(_ zone: Zone) {
            firstEnd = min(firstEnd, zone.firstEnd)
            lastCall = max(lastCall, zone.lastCall)
        }
    }

    package static func isLinearizable(_ history: [TimedOperation<UniqueRegisterModel.Operation>]) -> Bool {
        var writes: [Int: Operation] = [:]
        var zones: [Int?: Zone] = [nil: Zone()]
        var successors: [Int?: Int] = [:]
        for operation in history {
            zones[operation.operation.value, default: Zone()].add(operation)
            guard let written = operation.operation.written else { continue }
            writes[written] = operation
            guard let expected = operation.operation.expected else { continue }
            guard successors.updateValue(written, forKey: expected) == nil else { return false }  // 1
        }
        guard readsFollowWrites(history, writes), let chains = chains(zones, successors) else { return false }
        return canBeOrdered(chains)  // 4
    }

    /// 1, 2.
    private static func readsFollowWrites(_ history: [Operation], _ writes: [Int: Operation]) -> Bool {
        history.allSatisfy { timed in
            guard case .read(let value?) = timed.operation else { return true }
            return writes[value].map { timed.completion ?? .max >= $0.call } ?? false
        }
    }

    /// The chains, that of the first value in front; nil where one contradicts itself (1, 3).
    private static func chains(_ zones: [Int?: Zone], _ successors: [Int?: Int]) -> [Zone]? {
        let followers = Set(successors.values.map(Optional.some))
        guard successors.keys.allSatisfy({ zones[$0] != nil }) else { return nil }
        var chains: [Zone] = []
        var placed = 0
        for (head, zone) in zones.sorted(by: { $0.key ?? .min < $1.key ?? .min }) where !followers.contains(head) {
            var chain = zone
            var value = head
            placed += 1
            while let next = successors[value], let following = zones[next] {
                guard following.firstEnd >= chain.lastCall else { return nil }
                chain.add(following)
                value = next
                placed += 1
            }
            chains.append(chain)
        }
        // What is in no chain goes round in a circle.
        return placed == zones.count ? chains : nil
    }

    /// Takes away, again and again, a chain before which no other must come.
    private static func canBeOrdered(_ chains: [Zone]) -> Bool {
        guard chains.dropFirst().allSatisfy({ $0.firstEnd >= chains[0].lastCall }) else { return false }
        // The earlier its last call, the likelier a chain is free: nearly always the first one is.
        var rest = chains.dropFirst().sorted { $0.lastCall < $1.lastCall }
        while !rest.isEmpty {
            let free = rest.indices.first { place in
                rest.indices.allSatisfy { $0 == place || rest[$0].firstEnd >= rest[place].lastCall }
            }
            guard let free else { return false }
            rest.remove(at: free)
        }
        return true
    }
}

extension UniqueRegisterModel.Operation {
    /// The value to whose cluster the operation belongs.
    fileprivate var value: Int? {
        switch self {
        case .read(let value): value
        case .write(let value, _), .compareAndSet(_, let value, _): value
        }
    }

    /// The value that a write wrote; nil for reads.
    fileprivate var written: Int? {
        switch self {
        case .read: nil
        case .write(let value, _), .compareAndSet(_, let value, _): value
        }
    }

    /// The value that a compare-and-set found; nil for the others.
    fileprivate var expected: Int?? {
        if case .compareAndSet(let expected, _, _) = self { .some(expected) } else { nil }
    }
}
