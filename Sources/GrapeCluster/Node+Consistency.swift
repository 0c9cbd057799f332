import GrapeEngine
import GrapeModel

/// How a consistency check stands when its caller is answered.
package enum ConsistencyAnswer: Sendable {
    case ended(id: UInt64?, ConsistencyReport)
    /// A deep check that takes longer than a call may: ask again by its id.
    case running(id: UInt64, pointsRead: UInt64, since: ContinuousClock.Instant)
}

extension Node {
    /// A call is answered so long before its time is over.
    private static let margin = Duration.seconds(5)

    private var answerTime: ContinuousClock.Instant {
        let time = Duration.seconds(options.requestTimeoutSeconds)
        return .now + max(time / 2, time - Self.margin)
    }

    /// Compares all replicas of all shards.
    /// - Parameters:
    ///   - isDeep: each reads its rows from the disk.
    ///   - id: of a deep check that was begun on this node before.
    package func checkConsistency(isDeep: Bool, id: UInt64? = nil) async throws(GrapeError) -> ConsistencyAnswer {
        try refuseIfIsolated()
        let time = answerTime
        let found: ConsistencyService.DeepCheck
        if let id {
            found = try await consistency.deepCheck(id, waitingUntil: time)
        } else if isDeep {
            found = try await consistency.deepCheck(waitingUntil: time)
        } else {
            return .ended(id: nil, try await consistency.check(until: time))
        }
        switch found {
        case .running(let id, let points, let since): return .running(id: id, pointsRead: points, since: since)
        case .ended(let id, let report): return .ended(id: id, report)
        }
    }

    /// Makes replicas anew that differ from the majority of their shard, or are known to be damaged.
    package func repairConsistency() async throws(GrapeError) -> RepairReport {
        try refuseIfIsolated()
        let time = answerTime
        let report = try await consistency.check(until: .now + .seconds(options.requestTimeoutSeconds) / 3)
        return await consistency.repair(report, until: time)
    }

    /// The node id of a member, or its number in words.
    package func name(of number: NodeNumber) -> String {
        engine.catalog.layout.member(number)?.nodeID ?? "node number \(number)"
    }

    package var isAlone: Bool { options.cluster == nil }

    package var scrubFigures: ScrubFigures { engine.scrubber.figures }

    /// Damage of replicas found since the start, and replicas here that are damaged or set aside now.
    package var faultFigures: (found: UInt64, damaged: Int, aside: Int) {
        let groups = LogGroup.all(shardCount: options.shardCount)
        return (engine.faults.count, groups.count { engine.fault(of: $0) != nil }, engine.quarantines.count)
    }

    package var consistencyFigures: ConsistencyFigures { consistency.figures }
}
