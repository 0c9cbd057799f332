import GrapeRaft

/// What goes wrong by itself: once a simulated millisecond each fault class may strike.
extension Simulation {
    func faultStep() throws(Violation) {
        world.queue.push(Event(time: world.now + 1_000, kind: .faults, target: 0))
        if strikes(.crash), let replica = victim() {
            try replica.crash(&world)
            scheduleRestart(replica)
        }
        if strikes(.pause), let replica = victim() {
            world.coverage.count(.pauses)
            replica.clock.pause(until: world.now + UInt64(faultRandom.within(1_000...40_000)))
        }
        if strikes(.clockRate), let replica = victim() {
            world.coverage.count(.clockRateChanges)
            replica.clock.setRate(using: &faultRandom)
        }
        if strikes(.oneWayCut), let from = victim(), let to = victim(), from !== to {
            world.coverage.count(.oneWayCuts)
            world.network.cut(from: from.position, to: to.position, until: cutEnd())
            from.raft.reportUnreachable(to.id)
            try from.carryOut(&world)
        }
        if strikes(.partition) { partition() }
        if strikes(.transfer), let leader = newestLeader, !leader.confState.voters.isEmpty {
            transfer(from: leader, to: leader.confState.voters[faultRandom.below(leader.confState.voters.count)])
            try leader.carryOut(&world)
        }
        if strikes(.transfer), let replica = victim(), replica.role != .leader {
            world.coverage.count(.leadersForgotten)
            try? replica.raft.forgetLeader()
            try replica.carryOut(&world)
        }
        noteTransfer()
    }

    private func strikes(_ fault: FaultClass) -> Bool {
        faultRandom.chance(millionths: world.options.rate(fault))
    }

    private func victim() -> SimulatedReplica? {
        let running = replicas.filter { $0.life == .running }
        return running.isEmpty ? nil : running[faultRandom.below(running.count)]
    }

    private func cutEnd() -> UInt64 { world.now + UInt64(faultRandom.within(2_000...100_000)) }

    /// Two sides that do not hear each other.
    private func partition() {
        world.coverage.count(.partitions)
        let side = replicas.map { _ in faultRandom.below(2) == 0 }
        let end = cutEnd()
        for from in replicas.indices {
            for to in replicas.indices where side[from] != side[to] {
                world.network.cut(from: from, to: to, until: end)
            }
        }
    }

    func transfer(from leader: SimulatedReplica, to target: ReplicaID) {
        if target == leader.id || (try? leader.raft.transferLeadership(to: target)) == nil { return }
        world.coverage.count(.transfersStarted)
        transferTarget = target
        transferEnd = world.now + 20_000
    }

    private func noteTransfer() {
        guard let target = transferTarget else { return }
        if replicas[Int(target.rawValue) - 1].role == .leader { world.coverage.count(.transfersCompleted) }
        if replicas[Int(target.rawValue) - 1].role == .leader || world.now > transferEnd { transferTarget = nil }
    }
}
