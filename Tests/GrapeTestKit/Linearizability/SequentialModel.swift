/// What a correct object does when operations come one at a time: the specification that a concurrent history is
/// judged against.
package protocol SequentialModel: Sendable {
    associatedtype State: Hashable
    /// An operation together with the outcome that its caller saw.
    associatedtype Operation

    var initialState: State { get }

    /// The state after `operation`, or nil when its recorded outcome is impossible in `state`.
    ///
    /// An operation of unknown outcome must be possible in every state: it may have taken effect or not.
    func apply(_ operation: Operation, to state: State) -> State?
}

/// One operation of a history with the moments between which it must take effect.
///
/// Invariant: `call < completion`. A nil completion means that the caller never learned the outcome: the operation
/// takes effect at any moment after its call, or never.
package struct TimedOperation<Operation> {
    package var operation: Operation
    package var call: Int
    package var completion: Int?

    package init(_ operation: Operation, call: Int, completion: Int?) {
        precondition(completion.map { call < $0 } ?? true, "completed at \(completion ?? 0), called at \(call)")
        self.operation = operation
        self.call = call
        self.completion = completion
    }
}

extension TimedOperation: Sendable where Operation: Sendable {}

extension Array {
    /// The history cut into one for each key, in the order of the keys: an object whose keys do not touch each other is
    /// linearizable if and only if each key is (Herlihy and Wing, locality).
    package func partitioned<Operation, Key: Hashable & Comparable>(
        by key: (Operation) -> Key
    ) -> [(key: Key, history: [TimedOperation<Operation>])] where Element == TimedOperation<Operation> {
        Dictionary(grouping: self) { key($0.operation) }
            .map { (key: $0.key, history: $0.value) }
            .sorted { $0.key < $1.key }
    }
}
