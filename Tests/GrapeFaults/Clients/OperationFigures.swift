package enum OperationKind: String, Sendable, CaseIterable {
    case upsert, batch, get, delete, search
}

/// Counts of one run.
package struct OperationFigures: Sendable {
    package struct Outcomes: Sendable {
        package var succeeded = 0
        /// The server said that nothing was done (429, 503, 507).
        package var refused = 0
        package var unknown = 0
        /// There was no connection, as the node was down.
        package var unreached = 0
        /// Of those not done or unknown: at a node that ran in contact with a majority from beginning to end.
        package var failed = 0

        mutating func add(_ other: Outcomes) {
            succeeded += other.succeeded
            refused += other.refused
            unknown += other.unknown
            unreached += other.unreached
            failed += other.failed
        }
    }

    package private(set) var outcomes: [OperationKind: Outcomes] = [:]
    /// Answers that no server of this contract gives: another status, or what is no version of a point.
    package private(set) var impossible = 0
    /// The first few of both, for the report.
    package private(set) var examples: [String] = []

    private static let examplesMax = 20

    package var failedSearches: Int { outcomes[.search]?.failed ?? 0 }
    package var failedGets: Int { outcomes[.get]?.failed ?? 0 }
    package var total: Int { outcomes.values.reduce(0) { $0 + $1.succeeded + $1.refused + $1.unknown } }

    mutating func count(_ kind: OperationKind, _ outcome: RestOutcome) {
        switch outcome {
        case .answer(let answer) where answer.status == 504: outcomes[kind, default: Outcomes()].unknown += 1
        case .answer(let answer) where answer.status == 200 || answer.status == 404:
            outcomes[kind, default: Outcomes()].succeeded += 1
        case .answer: outcomes[kind, default: Outcomes()].refused += 1
        case .notSent: outcomes[kind, default: Outcomes()].unreached += 1
        case .unknown: outcomes[kind, default: Outcomes()].unknown += 1
        }
    }

    mutating func noteFailure(_ kind: OperationKind, _ text: String) {
        outcomes[kind, default: Outcomes()].failed += 1
        note(text)
    }

    mutating func noteImpossible(_ text: String) {
        impossible += 1
        note(text)
    }

    private mutating func note(_ text: String) {
        if examples.count < Self.examplesMax { examples.append(String(text.prefix(300))) }
    }

    mutating func add(_ other: OperationFigures) {
        for (kind, counted) in other.outcomes {
            outcomes[kind, default: Outcomes()].add(counted)
        }
        impossible += other.impossible
        for text in other.examples { note(text) }
    }
}
