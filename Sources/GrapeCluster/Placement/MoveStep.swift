import GrapeEngine
import GrapeModel
import GrapeRaft

/// The next step by which a group's configuration becomes the one that is wanted. Derived from what is there each time it is
/// asked, so a step may be lost, repeated, or taken by another node.
///
/// The way (RAFT.md 15): a new replica comes as a learner and catches up; one joint change makes it a voter and removes the
/// old one; the joint configuration is left by a leader that stays. There are never four voters outside a joint change.
package enum MoveStep: Sendable, Hashable {
    /// The configuration is as wanted.
    case done
    /// A learner has still to catch up.
    case wait
    case change(ConfChange)
    /// The leader does not stay: another one is to lead first.
    case transfer(ReplicaID)

    /// - Parameters:
    ///   - voters: The wanted ones; all other members are removed.
    ///   - learners: Wanted as learners only (the catalog's beyond its voters).
    ///   - status: Of the group's leader, with its progress of all members.
    ///   - isAlive: Whether a replica's node lives: one that doesn't is not handed leadership.
    package static func next(
        _ status: GroupStatus, voters: Set<ReplicaID>, learners: Set<ReplicaID> = [], isAlive: (ReplicaID) -> Bool
    ) -> MoveStep {
        let now = status.configuration
        if !now.votersOutgoing.isEmpty { return leave(status, isAlive) }
        guard !voters.isEmpty else { return .wait }
        let present = Set(now.voters)
        let waiting = Set(now.learners)
        // One that took over as leader while the change that removes it was under way: the others may still need it to commit.
        if !present.contains(status.replica) {
            return heir(status, among: present, isAlive).map(MoveStep.transfer) ?? .wait
        }
        let missing = voters.union(learners).subtracting(present).subtracting(waiting).sorted()
        if let new = missing.first { return .change(ConfChange([.init(.addLearner, new)])) }
        let coming = voters.subtracting(present).sorted()
        let going = present.subtracting(voters).sorted()
        if coming.isEmpty, going.isEmpty { return tidy(waiting.subtracting(learners), status) }
        if going.contains(status.replica) {
            let staying = present.intersection(voters)
            // A single replica that moves: the new one votes beside it before it can lead.
            if staying.isEmpty { return promote(coming, [], present, status, isAlive) }
            return heir(status, among: staying, isAlive).map(MoveStep.transfer) ?? .wait
        }
        let steps = going.map { ConfChange.Step(learners.contains($0) ? .addLearner : .remove, $0) }
        return promote(coming, steps, present.subtracting(going), status, isAlive)
    }

    /// Learners that are to vote must have what the leader has (also where that is little: one that was never heard of has
    /// nothing), and a majority of those that vote afterwards must be there.
    private static func promote(
        _ coming: [ReplicaID], _ going: [ConfChange.Step], _ staying: Set<ReplicaID>, _ status: GroupStatus,
        _ isAlive: (ReplicaID) -> Bool
    ) -> MoveStep {
        for replica in coming {
            guard let progress = status.progress.first(where: { $0.id == replica })?.progress, isAlive(replica),
                progress.match > .zero, progress.match.rawValue + lagMax >= status.lastIndex.rawValue
            else { return .wait }
        }
        let voters = staying.union(coming)
        let active = voters.filter { $0 == status.replica || isAlive($0) }
        let steps = coming.map { ConfChange.Step(.addVoter, $0) } + going
        guard active.count > voters.count / 2, !steps.isEmpty else { return .wait }
        return .change(ConfChange(steps, transition: steps.count > 1 ? .jointExplicit : .auto))
    }

    /// Entries by which a learner may be behind when it begins to vote.
    private static let lagMax: UInt64 = 100

    /// Whether the move is to be given up: whom it adds is of no use any more before it votes, or, where it only removes, those
    /// that stay could not decide anything.
    package static func isHopeless(
        _ placement: ShardPlacement, _ configuration: ConfState, isUseless: (ReplicaPlace) -> Bool,
        isGone: (ReplicaPlace) -> Bool
    ) -> Bool {
        guard let move = placement.move, configuration.votersOutgoing.isEmpty else { return false }
        func votes(_ place: ReplicaPlace) -> Bool {
            configuration.voters.contains(ReplicaID(node: place.node, serial: place.serial))
        }
        if let adding = move.adding { return isUseless(adding) && !votes(adding) }
        guard let removing = move.removing, placement.replicas.contains(removing), votes(removing) else { return false }
        let staying = placement.target.filter { !isGone($0) }
        return staying.count <= placement.target.count / 2
    }

    /// Whether the move was given up, but a change that was under way has made the new replica a voter in the place of one
    /// that can't come back (lost, if the new one is on its node): then the new one is to stay.
    package static func isWronglyGivenUp(
        _ placement: ShardPlacement, _ configuration: ConfState, isUseless: (ReplicaPlace) -> Bool
    ) -> Bool {
        guard let new = placement.turnedRound, let replaced = placement.move?.replaced,
            configuration.votersOutgoing.isEmpty, new.node == replaced.node || isUseless(replaced)
        else { return false }
        return configuration.voters.contains(ReplicaID(node: new.node, serial: new.serial))
            && !configuration.voters.contains(ReplicaID(node: replaced.node, serial: replaced.serial))
    }

    private static func leave(_ status: GroupStatus, _ isAlive: (ReplicaID) -> Bool) -> MoveStep {
        let staying = Set(status.configuration.voters)
        if staying.contains(status.replica) { return .change(.leaveJoint) }
        return heir(status, among: staying, isAlive).map(MoveStep.transfer) ?? .wait
    }

    private static func tidy(_ learners: Set<ReplicaID>, _ status: GroupStatus) -> MoveStep {
        guard let old = learners.sorted().first else { return .done }
        return .change(ConfChange([.init(.remove, old)]))
    }

    /// The one that is furthest of those that live. (What the core calls recently active is forgotten at each check of its
    /// quorum: who looks just then would wait for ever.)
    private static func heir(
        _ status: GroupStatus, among replicas: Set<ReplicaID>, _ isAlive: (ReplicaID) -> Bool
    ) -> ReplicaID? {
        status.progress.filter { replicas.contains($0.id) && $0.id != status.replica && isAlive($0.id) }
            .max { ($0.progress.match, $1.id) < ($1.progress.match, $0.id) }?.id
    }
}
