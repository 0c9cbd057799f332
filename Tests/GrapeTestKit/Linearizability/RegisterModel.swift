/// One register with read, write and compare-and-set.
package struct RegisterModel: SequentialModel {
    /// A nil value is a register never written.
    package enum Operation: Hashable, Sendable {
        case read(Int?)
        case write(Int)
        case compareAndSet(expected: Int?, new: Int, succeeded: Bool)
        case readOfUnknownOutcome
        case compareAndSetOfUnknownOutcome(expected: Int?, new: Int)
    }

    package let initialState: Int? = nil

    package init() {}

    package func apply(_ operation: Operation, to state: Int?) -> Int?? {
        switch operation {
        case .read(let value): value == state ? .some(state) : nil
        case .write(let value): .some(value)
        case .compareAndSet(let expected, let new, let succeeded):
            (expected == state) == succeeded ? .some(succeeded ? new : state) : nil
        case .readOfUnknownOutcome: .some(state)
        case .compareAndSetOfUnknownOutcome(let expected, let new): .some(expected == state ? new : state)
        }
    }
}
