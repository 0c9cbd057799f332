import CVectorKernels

/// Asks a filter, at most once a point, and counts how often.
struct FilterJudge<Filter: OrdinalFilter> {
    private(set) var filter: Filter
    /// Points that the filter has been asked about.
    var asked: Int { known.count }
    private var known: [UInt32: Bool] = [:]
    private var matched = 0

    init(filter: Filter) {
        self.filter = filter
    }

    /// Settles what the filter says of these points.
    mutating func consider(_ ordinals: UnsafeBufferPointer<UInt32>) {
        var questions: [Ordinal] = []
        for ordinal in ordinals where known[ordinal] == nil {
            known[ordinal] = false
            questions.append(Ordinal(rawValue: ordinal))
        }
        guard !questions.isEmpty else { return }
        var verdicts: [Bool] = []
        verdicts.reserveCapacity(questions.count)
        filter.evaluate(questions.span, into: &verdicts)
        precondition(verdicts.count == questions.count, "\(verdicts.count) verdicts on \(questions.count) points")
        for (question, verdict) in zip(questions, verdicts) where verdict {
            known[question.rawValue] = true
            matched += 1
        }
    }

    /// Whether so many matching points may be found with so many questions, as far as the answers up to now tell.
    func canFind(_ wanted: Int, within budget: Int) -> Bool {
        guard asked <= budget else { return false }
        // Before that, chance decides.
        guard asked >= 256 else { return true }
        return wanted * asked <= budget * max(matched, 1)
    }

    /// What the filter said of a point that was considered.
    func matches(_ ordinal: UInt32) -> Bool { known[ordinal] ?? false }
}
