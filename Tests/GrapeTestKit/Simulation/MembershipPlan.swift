import GrapeRaft

/// Changes the group's membership step by step, as placement would: each step looks at what the leader has applied and
/// proposes what is missing, so any step may be lost and repeated (RAFT.md 15, 16).
struct MembershipPlan {
    enum Goal {
        /// A new replica: learner, then voter.
        case add(ReplicaID)
        case remove(ReplicaID)
        case demote(ReplicaID)
        /// Learner, caught up, then one joint change: new in, old out.
        case replace(old: ReplicaID, new: ReplicaID, ConfChange.Transition)
    }

    private(set) var goal: Goal
    private var stepsLeft = 60

    init(_ goal: Goal) { self.goal = goal }

    enum Step {
        case propose(ConfChange)
        case wait
        case done
    }

    mutating func next(_ confState: ConfState, isCaughtUp: (ReplicaID) -> Bool) -> Step {
        stepsLeft -= 1
        if !confState.votersOutgoing.isEmpty {
            return confState.autoLeave ? .wait : .propose(.leaveJoint)
        }
        if stepsLeft <= 0 { return .done }
        switch goal {
        case .add(let new):
            return bringIn(new, confState, isCaughtUp, ConfChange([.init(.addVoter, new)]))
        case .replace(let old, let new, let transition):
            let change = ConfChange([.init(.addVoter, new), .init(.remove, old)], transition: transition)
            return bringIn(new, confState, isCaughtUp, change)
        case .remove(let old):
            let isMember = confState.voters.contains(old) || confState.learners.contains(old)
            return isMember && confState.voters != [old] ? .propose(ConfChange([.init(.remove, old)])) : .done
        case .demote(let old):
            let isVoter = confState.voters.contains(old) && confState.voters.count > 1
            return isVoter ? .propose(ConfChange([.init(.addLearner, old)], transition: .jointImplicit)) : .done
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
