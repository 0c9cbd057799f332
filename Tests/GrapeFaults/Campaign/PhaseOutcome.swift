/// The values of all points of a phase when it was over.
struct SettledPhase: Sendable {
    var values: [String: Int?] = [:]
}

/// What one phase showed.
struct PhaseOutcome: Sendable {
    var figures = OperationFigures()
    var settled = SettledPhase()
    /// Points whose answers no order explains, and such that could not be judged.
    var violated: [String] = []
    var undecided = 0
    /// Final reads that got no answer, or no version of the point.
    var unreadable: [String] = []
    /// Nanoseconds; nil where nothing was measured.
    var writeGap: Int?
    var isGapMissing = false
    /// Nanoseconds until every node was healthy again; nil where that took too long.
    var recovery: Int?
    var complaint: String?

    var hasRecovered: Bool { recovery != nil }

    func line(number: Int, _ fault: Fault) -> String {
        let gap = writeGap.map { ", writes again after \($0 / 1_000_000) ms" } ?? ""
        let recovered = recovery.map { "healthy after \($0 / 1_000_000) ms" } ?? "NOT HEALTHY: \(complaint ?? "")"
        let bad = violated.isEmpty ? "" : ", VIOLATED: \(violated.joined(separator: " "))"
        return "phase \(number): \(fault.kind.rawValue) for \(fault.milliseconds) ms, \(figures.total) operations, "
            + "\(figures.failedSearches) failed searches\(gap), \(recovered)\(bad)"
    }
}
