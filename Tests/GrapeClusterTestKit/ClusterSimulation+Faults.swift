import GrapeCluster
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// What goes wrong by itself: once a simulated millisecond each fault class may strike.
extension ClusterSimulation {
    func faultStep() {
        world.queue.push(Event(time: world.now + 1_000, kind: .faults, target: 0))
        refillDisks()
        if world.options.losesLogs { forgetfulDisks() }
        if strikes(.crash), let node = victim() { crash(node) }
        if strikes(.pause), let node = victim() {
            world.coverage.count(.pauses)
            node.clock.pause(until: world.now + UInt64(faultRandom.within(1_000...60_000)))
        }
        if strikes(.clockRate), let node = victim() {
            world.coverage.count(.clockRateChanges)
            node.clock.setRate(using: &faultRandom)
        }
        if strikes(.oneWayCut), let from = victim(), let to = victim(), from !== to {
            world.coverage.count(.oneWayCuts)
            world.network.cut(from: from.place, to: to.place, until: cutEnd())
            to.run?.happen { to.run?.loop.disconnected(from.number) }
        }
        if strikes(.partition) { partition() }
        if strikes(.transfer), let node = victim() { transfer(from: node) }
        if faultRandom.chance(millionths: world.options.fullDiskRate), let node = victim() { node.run?.fillDisk() }
        if world.options.rate(.crash) > 0, faultRandom.below(10) == 0 { crashJointLeader() }
    }

    private func strikes(_ fault: FaultClass) -> Bool {
        faultRandom.chance(millionths: world.options.rate(fault))
    }

    private func victim() -> SimulatedNode? {
        running.isEmpty ? nil : running[faultRandom.below(running.count)]
    }

    private func cutEnd() -> UInt64 { world.now + UInt64(faultRandom.within(2_000...100_000)) }

    /// Two sides that do not hear each other.
    private func partition() {
        world.coverage.count(.partitions)
        let side = nodes.map { _ in faultRandom.below(2) == 0 }
        let end = cutEnd()
        for from in nodes.indices {
            for to in nodes.indices where side[from] != side[to] { world.network.cut(from: from, to: to, until: end) }
        }
    }

    private func transfer(from node: SimulatedNode) {
        guard let run = node.run else { return }
        for status in run.loop.status(tickMilliseconds: 1) where status.role == .leader {
            let voters = status.configuration.voters
            guard !voters.isEmpty, faultRandom.below(2) == 0 else { continue }
            world.coverage.count(.transfers)
            let heir = voters[faultRandom.below(voters.count)]
            run.happen { run.loop.transferLeadership(of: status.group, to: heir) }
        }
    }

    /// The moment at which a move is most easily upset.
    private func crashJointLeader() {
        let leaders = running.filter { node in
            node.run?.loop.status(tickMilliseconds: 1)
                .contains { $0.role == .leader && !$0.configuration.votersOutgoing.isEmpty } == true
        }
        guard !leaders.isEmpty else { return }
        world.coverage.count(.jointLeadersCrashed)
        crash(leaders[faultRandom.below(leaders.count)])
    }

    // MARK: Disks

    /// One disk at a time forgets, where every group can do without it.
    private func forgetfulDisks() {
        guard let node = victim(), faultRandom.below(60) == 0 else { return }
        guard faultRandom.below(3) == 0 else { return node.noteDisk() }
        guard canLose(node.number, newestLayout), node.loseLog() else { return }
        world.coverage.count(.logsLost)
        planRestart(node)
    }

    private func refillDisks() {
        for node in nodes where node.freeBytes < 1 << 20 && faultRandom.below(30) == 0 { refill(node) }
    }

    func refill(_ node: SimulatedNode) {
        node.freeBytes = 1 << 50
        _ = node.run?.database.checkSpace()
    }
}
