import GrapeTestKit

/// One point as clients see it: a value, or not there (nil).
package struct PointModel: SequentialModel {
    package enum Operation: Hashable, Sendable {
        /// A read or a search that found this.
        case read(Int?)
        case write(Int)
        case delete(existed: Bool)
        case deleteOfUnknownOutcome
    }

    package let initialState: Int? = nil

    package init() {}

    package func apply(_ operation: Operation, to state: Int?) -> Int?? {
        switch operation {
        case .read(let value): value == state ? .some(state) : nil
        case .write(let value): .some(value)
        case .delete(let existed): existed == (state != nil) ? .some(nil) : nil
        case .deleteOfUnknownOutcome: .some(nil)
        }
    }
}
