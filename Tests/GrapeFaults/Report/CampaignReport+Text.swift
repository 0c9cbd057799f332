import GrapeModel

extension CampaignReport {
    package var table: String {
        var lines = ["seed \(seed), \(phases) phases, \(Int(seconds)) s, \(figures.total) operations", ""]
        func row(_ name: String, _ value: String) {
            lines.append("  " + name.padded(to: 44) + value)
        }
        for kind in OperationKind.allCases {
            guard let counted = figures.outcomes[kind] else { continue }
            row(
                kind.rawValue,
                "\(counted.succeeded) done, \(counted.refused) refused, \(counted.unknown) unknown, "
                    + "\(counted.unreached) unreached; \(counted.failed) failed on survivors")
        }
        lines.append("")
        for kind in FaultKind.allCases { faults[kind].map { row(kind.rawValue, "\($0)") } }
        lines.append("")
        row("points whose answers no order explains", "\(violated.count)")
        row("points not judged (too many orders)", "\(undecided)")
        row("points changed after their phase", "\(changedAfterwards.count)")
        row("final reads without a proper answer", "\(unreadable.count)")
        row("failed searches, gets on survivors", "\(figures.failedSearches), \(figures.failedGets)")
        row("replicas equal in the end", areReplicasEqual.map { $0 ? "yes" : "NO" } ?? "not asked")
        row("answers that the contract doesn't know", "\(figures.impossible)")
        row("phases that did not recover", "\(unrecovered)")
        row("recovery, median and longest", Self.milliseconds(recoveries))
        row("write gap after a kill, median and longest", Self.milliseconds(writeGaps))
        row("write gaps within \(usualGap / 1_000_000) ms", "\(gapsWithinUsual) of \(writeGaps.count + missingGaps)")
        for text in problems { lines.append("  ! " + text.replacing("\n", with: "\n    ")) }
        lines += ["", isClean ? "clean" : "NOT CLEAN", "again: \(replay)"]
        return lines.joined(separator: "\n")
    }

    /// The first few of each kind.
    private var problems: [String] {
        [violated, changedAfterwards, unreadable, figures.examples, complaints].flatMap { $0.prefix(10) }
    }

    private static func milliseconds(_ values: [Int]) -> String {
        guard let median = quantile(0.5, of: values), let longest = values.max() else { return "none measured" }
        return "\(median / 1_000_000) ms, \(longest / 1_000_000) ms"
    }

    package var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("seed", seed)
        writer.field("clean", isClean)
        writer.field("seconds", seconds)
        writer.field("phases", phases)
        writer.field("replay", replay)
        writeOperations(to: &writer)
        writer.key("faults")
        writer.beginObject()
        for kind in FaultKind.allCases { faults[kind].map { writer.field(kind.rawValue, $0) } }
        writer.endObject()
        writer.field("violations", violated.count)
        writer.field("undecided", undecided)
        writer.field("changed_afterwards", changedAfterwards.count)
        writer.field("unreadable", unreadable.count)
        writer.field("failed_searches", figures.failedSearches)
        writer.key("replicas_equal")
        if let areReplicasEqual { writer.bool(areReplicasEqual) } else { writer.null() }
        writer.field("impossible_answers", figures.impossible)
        writer.field("unrecovered", unrecovered)
        writeMilliseconds("recovery_ms", recoveries, to: &writer)
        writeMilliseconds("write_gap_ms", writeGaps, to: &writer)
        writer.field("write_gaps_missing", missingGaps)
        writer.field("write_gap_usual_ms", usualGap / 1_000_000)
        writer.key("problems")
        writer.beginArray()
        for text in problems { writer.string(text) }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func writeOperations(to writer: inout JSONWriter) {
        writer.key("operations")
        writer.beginObject()
        for kind in OperationKind.allCases {
            let counted = figures.outcomes[kind] ?? .init()
            writer.key(kind.rawValue)
            writer.beginObject()
            writer.field("done", counted.succeeded)
            writer.field("refused", counted.refused)
            writer.field("unknown", counted.unknown)
            writer.field("unreached", counted.unreached)
            writer.field("failed_on_survivors", counted.failed)
            writer.endObject()
        }
        writer.endObject()
    }

    private func writeMilliseconds(_ name: String, _ values: [Int], to writer: inout JSONWriter) {
        writer.key(name)
        writer.beginArray()
        for value in values { writer.integer(value / 1_000_000) }
        writer.endArray()
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
