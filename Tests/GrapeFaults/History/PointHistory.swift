import GrapeTestKit

/// What all clients did to one point, and whether one order of it explains what they saw.
///
/// No value is written twice.
package struct PointHistory: Sendable {
    package typealias Operation = TimedOperation<PointModel.Operation>

    package enum Verdict: Hashable, Sendable {
        case linearizable
        case violated
        /// Too many orders to try them all.
        case undecided
    }

    package private(set) var operations: [Operation] = []
    /// Searches that ought to have found the point if it was there, and did not.
    private var misses: [(call: Int, completion: Int)] = []

    package init() {}

    package mutating func add(_ operation: PointModel.Operation, call: Int, completion: Int?) {
        operations.append(Operation(operation, call: call, completion: completion.map { max($0, call + 1) }))
    }

    /// An exact search in whose answer the point was not.
    package mutating func addMiss(call: Int, completion: Int) {
        misses.append((call, max(completion, call + 1)))
    }

    package mutating func add(_ other: PointHistory) {
        operations += other.operations
        misses += other.misses
    }

    package var isEmpty: Bool { operations.isEmpty && misses.isEmpty }

    package func verdict() -> Verdict {
        switch LinearizabilityChecker(model: PointModel()).check(judged) {
        case .linearizable: .linearizable
        case .violated: .violated
        case .undecided: .undecided
        }
    }

    /// What the verdict is about.
    ///
    /// 1. A search is no snapshot: it may miss a point that changes meanwhile. A miss during which nothing else was
    /// going on with the point says that it was not there.
    /// 2. A write of unknown outcome that nobody can have seen may count as never done: it goes, which spares the
    /// search half of its orders.
    var judged: [Operation] {
        let seen = Set(
            operations.compactMap { timed in if case .read(let value?) = timed.operation { value } else { nil } })
        let lastDelete = operations.reduce(Int.min) { last, timed in
            timed.operation == .delete(existed: true) ? max(last, timed.completion ?? .max) : last
        }
        let kept = operations.filter { timed in
            guard case .write(let value) = timed.operation, timed.completion == nil else { return true }
            return seen.contains(value) || timed.call < lastDelete  // 2
        }
        let changes = operations.filter { if case .read = $0.operation { false } else { true } }
        let absences = misses.filter { miss in
            changes.allSatisfy { $0.completion ?? .max < miss.call || $0.call > miss.completion }  // 1
        }
        return kept + absences.map { Operation(.read(nil), call: $0.call, completion: $0.completion) }
    }

    /// The operations in the order of their calls, one a line, for whoever looks for the reason.
    package var text: String {
        let lines = operations.sorted { $0.call < $1.call }.map { timed in
            "\(timed.call) … \(timed.completion.map(String.init) ?? "unknown"): \(timed.operation)"
        }
        return (lines + misses.map { "\($0.call) … \($0.completion): missed by a search" }).joined(separator: "\n")
    }
}
