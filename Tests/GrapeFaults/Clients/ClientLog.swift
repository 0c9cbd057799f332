/// What one client did in a phase: histories by point, and figures.
package struct ClientLog: Sendable {
    package private(set) var histories: [String: PointHistory] = [:]
    package private(set) var figures = OperationFigures()

    package init() {}

    mutating func add(_ operation: PointModel.Operation, of id: String, call: Int, completion: Int?) {
        histories[id, default: PointHistory()].add(operation, call: call, completion: completion)
    }

    mutating func addMiss(of id: String, call: Int, completion: Int) {
        histories[id, default: PointHistory()].addMiss(call: call, completion: completion)
    }

    mutating func count(_ kind: OperationKind, _ outcome: RestOutcome) {
        figures.count(kind, outcome)
    }

    mutating func noteFailure(_ kind: OperationKind, _ text: String) {
        figures.noteFailure(kind, text)
    }

    mutating func noteImpossible(_ text: String) {
        figures.noteImpossible(text)
    }

    mutating func add(_ other: ClientLog) {
        for (id, history) in other.histories { histories[id, default: PointHistory()].add(history) }
        figures.add(other.figures)
    }
}
