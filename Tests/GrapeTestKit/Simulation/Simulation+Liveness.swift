import GrapeRaft

/// The end of a run: faults stop, a majority comes back, and everything asked must be answered in bounded time.
extension Simulation {
    /// In ticks of a true clock.
    private static let answerTicksMax: UInt64 = 2_000
    /// A member far behind may get one entry a round trip (one message in flight, one entry in it).
    private static let catchUpTicksMax: UInt64 = 20_000

    func livenessPhase() throws(Violation) {
        plan = nil
        down = minorityToLeaveDown()
        try heal()
        for client in clients.indices { clients[client].finish(after: 4) }
        let answerDeadline = world.now + Self.answerTicksMax * 1_000
        let catchUpDeadline = world.now + Self.catchUpTicksMax * 1_000
        while !isSettled {
            let deadline = clients.allSatisfy(\.isDone) ? catchUpDeadline : answerDeadline
            if world.now > deadline && isDeadlockedByRemovedVoter {
                world.coverage.count(.deadlocksByRemovedVoter)
                break
            }
            if world.now > deadline { throw Violation(.liveness, describeStuck()) }
            try nextEvent()
        }
        for client in clients.indices { clients[client].close(&history) }
        if isSettled { try checkEqualStates() }
    }

    private func heal() throws(Violation) {
        world.options.heal()
        world.network.heal()
        for replica in replicas where replica.life != .dropped {
            replica.clock.heal()
            if down.contains(replica.position) {
                if replica.life == .running { try replica.crash(&world) }
            } else if replica.life == .crashed {
                try replica.restart(&world)
            }
        }
    }

    /// As many members as may be missing from every majority that may have to decide: of the configurations that the
    /// members have on disk, and of those that a change proposed lately would make of them.
    private func minorityToLeaveDown() -> [Int] {
        let members = newestConfState.members.map { Int($0.rawValue) - 1 }
        var halves: [[ReplicaID]] = []
        for member in members {
            let confState = replicas[member].disk.map.confState
            halves += [confState.voters, confState.votersOutgoing]
        }
        halves += [newestConfState.voters, newestConfState.votersOutgoing]
        for change in lateChanges { halves += halves.map { change.applied(to: $0) } }
        var down: [Int] = []
        for place in members.shuffled(using: &faultRandom) where faultRandom.below(2) == 0 {
            if halves.allSatisfy({ hasMajority($0, without: down + [place]) }) { down.append(place) }
        }
        return down
    }

    private func hasMajority(_ voters: [ReplicaID], without down: [Int]) -> Bool {
        let up = voters.count { voter in
            let place = Int(voter.rawValue) - 1
            return replicas[place].life != .dropped && !down.contains(place)
        }
        return voters.isEmpty || up > voters.count / 2
    }

    /// Every client has its answers, and every member that is up has applied the same.
    private var isSettled: Bool {
        guard clients.allSatisfy(\.isDone) else { return false }
        let up = membersUp
        guard let first = up.first else { return false }
        return up.allSatisfy { $0.map.applied == first.map.applied }
    }

    /// A hole in the protocol as it is built here (configurations are in force when applied): a replica that knows that
    /// it was removed, while others who do not know need its vote, refuses it if its log is longer, and never
    /// campaigns.
    private var isDeadlockedByRemovedVoter: Bool {
        let up = replicas.filter { $0.life == .running }
        return up.contains { removed in
            !removed.confState.voters.contains(removed.id) && removed.leader == .none
                && up.contains { other in
                    let voters = other.confState.voters + other.confState.votersOutgoing
                    return voters.contains(removed.id) && other.commit < removed.commit
                }
        }
    }

    private var membersUp: [SimulatedReplica] {
        newestConfState.members.map { replicas[Int($0.rawValue) - 1] }.filter { $0.life == .running }
    }

    private func checkEqualStates() throws(Violation) {
        let up = membersUp
        for replica in up where replica.map.contentHash != up[0].map.contentHash {
            throw Violation(
                .appliedStateDiffers, "replicas \(up[0].id.rawValue) and \(replica.id.rawValue) at the end")
        }
        for replica in up where replica.map.applied.rawValue > world.checker.lastApplied {
            throw Violation(.acknowledgedWriteMissing, "replica \(replica.id.rawValue) has not applied everything")
        }
    }

    private func describeStuck() -> String {
        let waiting = clients.filter { !$0.isDone }.map { "client \($0.id)" }
        let states = replicas.filter { $0.life != .dropped }.map { replica in
            let conf = replica.confState
            return "replica \(replica.id.rawValue) \(replica.life) \(replica.role) term \(replica.term.rawValue) "
                + "leader \(replica.leader.rawValue) "
                + "commit \(replica.commit.rawValue) applied \(replica.map.applied.rawValue) "
                + "applying \(replica.applying.count) unsynced \(replica.disk.unsynced) "
                + "voters \(conf.voters.map(\.rawValue)) outgoing \(conf.votersOutgoing.map(\.rawValue)) "
                + "learners \(conf.learners.map(\.rawValue))"
        }
        let progress = newestLeader?.raft.status.progress.map { peer in
            "\(peer.id.rawValue): \(peer.progress.state) match \(peer.progress.match.rawValue) "
                + "next \(peer.progress.next.rawValue) pending \(peer.progress.pendingSnapshot.rawValue) "
                + "paused \(peer.progress.isPaused)"
        }
        return "too long without faults: \(waiting) wait; " + states.joined(separator: "; ")
            + "; the leader of \(progress ?? [])"
    }
}

extension ConfChange {
    /// The voters after this change.
    fileprivate func applied(to voters: [ReplicaID]) -> [ReplicaID] {
        var voters = voters
        for step in steps {
            voters.removeAll { $0 == step.replica }
            if step.action == .addVoter { voters.append(step.replica) }
        }
        return voters
    }
}
