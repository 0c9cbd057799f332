import GrapeRaft

/// The operator who changes the membership, one plan at a time.
extension Simulation {
    func membershipStep() throws(Violation) {
        world.queue.push(Event(time: world.now + 5_000, kind: .membership, target: 0))
        noteMembers()
        dropRemoved()
        guard let leader = newestLeader else { return }
        if plan == nil { plan = try newPlan(leader.confState) }
        let progress = leader.raft.status.progress
        let step = plan?.next(leader.confState, leader: leader.id) { id in
            progress.contains { $0.id == id && $0.progress.match >= leader.commit }
        }
        switch step {
        case .propose(let change)?:
            if lateChanges.last != change { lateChanges = lateChanges.suffix(3) + [change] }
            do throws(RaftError) {
                try leader.raft.proposeConfChange(change)
            } catch {
                try leader.judge(error, "configuration change", &world)
            }
            try leader.carryOut(&world)
        case .done?:
            if case .replace(let old, let new)? = plan?.goal, leader.confState.voters.contains(new) {
                world.coverage.count(leader.confState.voters.contains(old) ? .votersChanged : .replicasReplaced)
            }
            plan = nil
        case .handOver?:
            let others = leader.confState.voters.filter { $0 != leader.id }
            if !others.isEmpty { transfer(from: leader, to: others[membershipRandom.below(others.count)]) }
            try leader.carryOut(&world)
        case .wait?, nil: break
        }
    }

    private func newPlan(_ confState: ConfState) throws(Violation) -> MembershipPlan? {
        // A joint configuration that nobody leaves by itself (its leader is gone) is left by any plan.
        if !confState.votersOutgoing.isEmpty {
            return confState.autoLeave ? nil : MembershipPlan(.remove(ReplicaID(UInt64.max >> 1)))
        }
        let voters = confState.voters
        let someVoter = voters[membershipRandom.below(voters.count)]
        let hasRoom = replicas.count < World.replicasMax
        if membershipRandom.chance(millionths: world.options.rate(.move)) && hasRoom {
            return MembershipPlan(.replace(old: someVoter, new: try newReplica()))
        }
        guard membershipRandom.chance(millionths: world.options.rate(.membership)) else { return nil }
        if let learner = confState.learners.first { return MembershipPlan(.remove(learner)) }
        switch membershipRandom.below(3) {
        case 0 where voters.count < 5 && hasRoom:
            let transition: ConfChange.Transition = [.auto, .jointImplicit, .jointExplicit][membershipRandom.below(3)]
            return MembershipPlan(.add(try newReplica(), transition))
        case 1 where voters.count > 2: return MembershipPlan(.remove(someVoter))
        case 2 where voters.count > 3: return MembershipPlan(.demote(someVoter))
        default: return nil
        }
    }

    private func newReplica() throws(Violation) -> ReplicaID {
        let id = ReplicaID(UInt64(replicas.count + 1))
        try addReplica(id, nil)
        return id
    }

    // MARK: Removed replicas

    /// The configuration that anyone has applied last.
    var newestConfState: ConfState {
        let newest = replicas.filter { $0.life != .dropped }.max { $0.map.applied < $1.map.applied }
        return newest?.map.confState ?? ConfState()
    }

    private func noteMembers() {
        for id in newestConfState.members { everMembers[Int(id.rawValue) - 1] = true }
    }

    /// A removed copy is dropped when a majority of the voters have the removal applied and on disk. Earlier would be
    /// safe but could leave nobody able to win an election: voters who do not know of the removal ask for its vote.
    private func dropRemoved() {
        let confState = newestConfState
        guard confState.votersOutgoing.isEmpty else { return }
        for replica in replicas where replica.life != .dropped && everMembers[replica.position] {
            if confState.members.contains(replica.id) { continue }
            let knowing = confState.voters.count { voter in
                !replicas[Int(voter.rawValue) - 1].disk.map.confState.members.contains(replica.id)
            }
            if knowing <= confState.voters.count / 2 { continue }
            replica.drop()
            world.coverage.count(.replicasDropped)
        }
    }
}

extension ConfState {
    /// Everyone in it, in no half twice.
    var members: [ReplicaID] {
        voters + learners + votersOutgoing.filter { !voters.contains($0) }
    }
}
