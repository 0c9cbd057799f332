/// One key of a map of texts with get, put and append; never written is the empty text.
package struct AppendModel: SequentialModel {
    package enum Operation: Hashable, Sendable {
        case get(String)
        case put(String)
        case append(String)
        case getOfUnknownOutcome
    }

    package let initialState = ""

    package init() {}

    package func apply(_ operation: Operation, to state: String) -> String? {
        switch operation {
        case .get(let value): value == state ? state : nil
        case .put(let value): value
        case .append(let value): state + value
        case .getOfUnknownOutcome: state
        }
    }
}
