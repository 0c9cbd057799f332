import GrapeModel

/// What a campaign showed.
package struct CampaignReport: Sendable {
    package let seed: UInt64
    let electionTimeoutMilliseconds: Int
    let replay: String
    package internal(set) var phases = 0
    package internal(set) var seconds = 0.0
    package internal(set) var faults: [FaultKind: Int] = [:]
    package internal(set) var figures = OperationFigures()
    /// Points whose answers no order explains.
    package internal(set) var violated: [String] = []
    package internal(set) var undecided = 0
    package internal(set) var unreadable: [String] = []
    /// Points that were not in the end what they were when their phase was over.
    package internal(set) var changedAfterwards: [String] = []
    /// What /cluster/consistency/check says in the end; nil without an answer.
    package internal(set) var areReplicasEqual: Bool?
    /// Phases after which a node was not healthy in time, with the reason.
    package internal(set) var unrecovered = 0
    package internal(set) var complaints: [String] = []
    /// Nanoseconds: writes after the kill of the busiest node, and recovery, in the order of phases.
    package internal(set) var writeGaps: [Int] = []
    package internal(set) var missingGaps = 0
    package internal(set) var recoveries: [Int] = []

    init(_ options: Campaign.Options) {
        seed = options.seed
        electionTimeoutMilliseconds = options.cluster.electionTimeoutMilliseconds
        let kinds =
            options.faults.count == FaultKind.allCases.count
            ? "" : " --faults " + options.faults.map(\.rawValue).joined(separator: ",")
        let phases = options.phasesMax == .max ? "" : " --phases \(options.phasesMax)"
        let seconds = options.seconds.isFinite ? " --seconds \(Int(options.seconds))" : ""
        replay =
            "grape-faults --seed \(options.seed)\(seconds)\(phases) --nodes \(options.cluster.nodes)"
            + " --clients \(options.clients) --election-timeout-ms \(electionTimeoutMilliseconds)\(kinds)"
    }

    mutating func add(_ outcome: PhaseOutcome, _ fault: Fault) {
        phases += 1
        faults[fault.kind, default: 0] += 1
        figures.add(outcome.figures)
        violated += outcome.violated
        undecided += outcome.undecided
        unreadable += outcome.unreadable
        if let gap = outcome.writeGap { writeGaps.append(gap) }
        if outcome.isGapMissing { missingGaps += 1 }
        if let recovery = outcome.recovery { recoveries.append(recovery) } else { unrecovered += 1 }
        if let complaint = outcome.complaint { complaints.append(complaint) }
    }

    // MARK: Verdict

    /// Whether nothing happened that the contract forbids.
    package var isClean: Bool {
        violated.isEmpty && unreadable.isEmpty && changedAfterwards.isEmpty && unrecovered == 0 && missingGaps == 0
            && figures.failedSearches == 0 && figures.failedGets == 0 && figures.impossible == 0
            && areReplicasEqual != false && gapsHold
    }

    /// Two election timeouts and a second, 19 times of 20; four and a second always.
    var usualGap: Int { (2 * electionTimeoutMilliseconds + 1_000) * 1_000_000 }
    var longestGap: Int { (4 * electionTimeoutMilliseconds + 1_000) * 1_000_000 }
    var gapsWithinUsual: Int { writeGaps.count { $0 <= usualGap } }

    var gapsHold: Bool {
        gapsWithinUsual * 20 >= writeGaps.count * 19 - 19 && writeGaps.allSatisfy { $0 <= longestGap }
    }

    static func quantile(_ part: Double, of values: [Int]) -> Int? {
        let sorted = values.sorted()
        return sorted.isEmpty ? nil : sorted[min(Int((Double(sorted.count) * part).rounded(.up)), sorted.count) - 1]
    }
}
