/// What a replica must find again after a restart, besides its log.
package struct HardState: Sendable, Hashable {
    package var term: Term
    package var vote: ReplicaID
    package var commit: LogIndex

    package init(term: Term = .zero, vote: ReplicaID = .none, commit: LogIndex = .zero) {
        self.term = term
        self.vote = vote
        self.commit = commit
    }

    package var isEmpty: Bool { self == HardState() }
}

/// What is good to know and need not be kept.
package struct SoftState: Sendable, Hashable {
    package var leader: ReplicaID
    package var role: Role

    package init(leader: ReplicaID, role: Role) {
        self.leader = leader
        self.role = role
    }
}

package enum Role: Sendable, Hashable {
    case follower
    case candidate
    case leader
    case preCandidate
}

/// Who belongs to a group, as it is kept in snapshots. Outside a joint change only `voters` and `learners` are used.
///
/// Invariant: each list is sorted and has no duplicates when it comes from the core.
package struct ConfState: Sendable, Hashable {
    /// Voters of the incoming (or only) majority.
    package var voters: [ReplicaID]
    /// Voters of the outgoing majority while a joint change is under way, else empty.
    package var votersOutgoing: [ReplicaID]
    package var learners: [ReplicaID]
    /// Outgoing voters that become learners when the joint change is left.
    package var learnersNext: [ReplicaID]
    /// Whether the leader proposes to leave the joint configuration by itself.
    package var autoLeave: Bool

    package init(
        voters: [ReplicaID] = [], votersOutgoing: [ReplicaID] = [], learners: [ReplicaID] = [],
        learnersNext: [ReplicaID] = [], autoLeave: Bool = false
    ) {
        self.voters = voters
        self.votersOutgoing = votersOutgoing
        self.learners = learners
        self.learnersNext = learnersNext
        self.autoLeave = autoLeave
    }
}

/// A snapshot as the core sees it: where it stands and who belonged to the group there. The rows travel apart.
package struct Snapshot: Sendable, Hashable {
    package var term: Term
    package var index: LogIndex
    package var confState: ConfState

    package init(term: Term, index: LogIndex, confState: ConfState) {
        self.term = term
        self.index = index
        self.confState = confState
    }

    package var id: EntryID { EntryID(term: term, index: index) }

    package var isEmpty: Bool { index == .zero }
}
