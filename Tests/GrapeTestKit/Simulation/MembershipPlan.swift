import GrapeRaft

/// Changes the group's membership step by step, as placement would: each step looks at what the leader has applied and
/// proposes what is missing, so any step may be lost and repeated (RAFT.md 15, 16).
///
/// A leader is not asked to remove itself, nor to leave a joint configuration that it goes out with: it hands
/// leadership on first. A removed leader may hold the longest log, and those who have not heard of its removal need its
/// vote, which it refuses them.
struct MembershipPlan {
    enum Goal {
        /// A new replica: learner, then voter.
        case add(ReplicaID, ConfChange.Transition)
        case remove(ReplicaID)
        case demote(ReplicaID)
        /// Learner, caught up, then one joint change: new in, old out.
        case replace(old: ReplicaID, new: ReplicaID)
    }

    private(set) var goal: Goal
    private var stepsLeft = 60

    init(_ goal: Goal) { self.goal = goal }

    enum Step {
        case propose(ConfChange)
        /// Leadership has to go to another voter first.
        case handOver
        case wait
        case done
    }

    mutating func next(_ confState: ConfState, leader: ReplicaID, isCaughtUp: (ReplicaID) -> Bool) -> Step {
        stepsLeft -= 1
        if !confState.votersOutgoing.isEmpty {
            if confState.autoLeave { return .wait }
            return confState.voters.contains(leader) ? .propose(.leaveJoint) : .handOver
        }
        if stepsLeft <= 0 { return .done }
        if leaves == leader && confState.voters.count > 1 { return .handOver }
        switch goal {
        case .add(let new, let transition):
            return bringIn(new, confState, isCaughtUp, ConfChange([.init(.addVoter, new)], transition: transition))
        case .replace(let old, let new):
            let change = ConfChange([.init(.addVoter, new), .init(.remove, old)], transition: .jointExplicit)
            return bringIn(new, confState, isCaughtUp, change)
        case .remove(let old):
            let isMember = confState.voters.contains(old) || confState.learners.contains(old)
            return isMember && confState.voters != [old] ? .propose(ConfChange([.init(.remove, old)])) : .done
        case .demote(let old):
            let isVoter = confState.voters.contains(old) && confState.voters.count > 1
            return isVoter ? .propose(ConfChange([.init(.addLearner, old)], transition: .jointExplicit)) : .done
        }
    }

    private var leaves: ReplicaID? {
        switch goal {
        case .add: nil
        case .remove(let old), .demote(let old), .replace(let old, _): old
        }
    }

    private func bringIn(
        _ new: ReplicaID, _ confState: ConfState, _ isCaughtUp: (ReplicaID) -> Bool, _ last: ConfChange
    ) -> Step {
        if confState.voters.contains(new) { return .done }
        if !confState.learners.contains(new) { return .propose(ConfChange([.init(.addLearner, new)])) }
        return isCaughtUp(new) ? .propose(last) : .wait
    }
}
