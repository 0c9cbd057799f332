import GrapeEngine
import GrapeModel
import GrapeRaft

/// What a repair came to.
package struct RepairReport: Sendable {
    package struct Replica: Sendable, Hashable, Comparable {
        package let shard: ShardID
        package let node: NodeNumber

        package static func < (left: Self, right: Self) -> Bool { (left.shard, left.node) < (right.shard, right.node) }
    }

    /// Made anew and whole.
    package var repaired: [Replica] = []
    /// Set aside; the copy that takes their place is on its way.
    package var repairing: [Replica] = []
    /// Those that can't be repaired, and why.
    package var unrepaired: [(replica: Replica, reason: String)] = []
}

extension ConsistencyService {
    /// Replicas that differ from the majority, or are known to be damaged, are made anew from the others: their nodes hear
    /// that they are not to be trusted, and the catalog's leader plans what follows.
    /// - Parameter report: of a check of now.
    func repair(
        _ report: ConsistencyReport, until deadline: ContinuousClock.Instant
    ) async -> RepairReport {
        var result = RepairReport()
        // Those that were set aside before this call count too: whoever asks wants to know when they are whole.
        var old: [RepairReport.Replica: UInt32] = replicasSetAside()
        for shard in report.shards where !shard.isConsistent {
            result.unrepaired += undecided(shard)
            for (place, reason) in shard.minority {
                let replica = RepairReport.Replica(shard: shard.shard, node: place.node)
                guard await distrust(place, shard.shard, reason) else {
                    result.unrepaired.append((replica, "the node gave no answer, or has another replica by now"))
                    continue
                }
                old[replica] = place.serial
            }
        }
        await wait(for: old, until: deadline, &result)
        noteRepaired(result.repaired.count)
        return result
    }

    /// Replicas that differ while nobody can tell who is right.
    private func undecided(_ shard: ConsistencyReport.Shard) -> [(replica: RepairReport.Replica, reason: String)] {
        guard shard.isUndecided else { return [] }
        let count = shard.replicas.count + shard.missing.count
        return shard.replicas.compactMap { place, check in
            let replica = RepairReport.Replica(shard: shard.shard, node: place.node)
            let defect = check.defect.map { ": \($0)" } ?? ""
            if count == 1 { return (replica, "there is no other replica to repair it from\(defect)") }
            return (replica, "of \(count) replicas no majority says the same, so nobody knows which is right\(defect)")
        }
    }

    private func replicasSetAside() -> [RepairReport.Replica: UInt32] {
        let layout = router.engine.catalog.layout
        let view = driver.state.withLock { $0.view }
        var found: [RepairReport.Replica: UInt32] = [:]
        for (number, placement) in layout.placements.enumerated() {
            let shard = ShardID(UInt16(number))
            for place in placement.replicas where view.report(of: place, .shard(shard))?.isQuarantined == true {
                found[.init(shard: shard, node: place.node)] = place.serial
            }
        }
        return found
    }

    private func distrust(_ place: ReplicaPlace, _ shard: ShardID, _ reason: String) async -> Bool {
        let replicas = [shard: place.serial]
        guard place.node != router.cluster.node else {
            return router.replicaChecks.distrust(replicas, reason: reason).contains(shard)
        }
        let answer = try? await router.ask(
            .distrust(replicas, reason: reason), place.node, lane: .quick, .now + .seconds(5))
        guard case .distrusted(let known)? = answer else { return false }
        return known.contains(shard)
    }

    /// Until each has another replica in its place that is whole.
    private func wait(
        for old: [RepairReport.Replica: UInt32], until deadline: ContinuousClock.Instant, _ result: inout RepairReport
    ) async {
        var open = old
        while !open.isEmpty {
            let layout = router.engine.catalog.layout
            let now = driver.now
            let view = driver.state.withLock { $0.view }
            for (replica, serial) in open {
                guard let placement = layout.placement(replica.shard), placement.move == nil,
                    let new = placement.replicas.first(where: { $0.node == replica.node }), new.serial != serial,
                    view.isWhole(new, replica.shard, at: now)
                else { continue }
                open[replica] = nil
                result.repaired.append(replica)
            }
            guard !open.isEmpty, ContinuousClock.now < deadline, !Task.isCancelled else { break }
            try? await Task.sleep(for: .milliseconds(100))
        }
        result.repairing = open.keys.sorted()
        result.repaired.sort()
    }
}
