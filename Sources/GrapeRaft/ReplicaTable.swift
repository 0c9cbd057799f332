/// The members of a group as one replica sees them: the configuration, the progress of each member, and the votes of
/// the election under way. All of it in small arrays sorted by id.
///
/// Invariant: there is a peer for exactly the members of `confState`.
package struct ReplicaTable: Sendable {
    package struct Peer: Sendable {
        package let id: ReplicaID
        package var progress: Progress
    }

    package internal(set) var confState = ConfState()
    package internal(set) var peers: [Peer] = []
    private var votes: [(id: ReplicaID, granted: Bool)] = []
    let inflightMessagesMax: Int
    let inflightBytesMax: UInt64

    package init(inflightMessagesMax: Int, inflightBytesMax: UInt64) {
        self.inflightMessagesMax = inflightMessagesMax
        self.inflightBytesMax = inflightBytesMax
    }

    /// The place of a member in `peers`, or nil.
    package func slot(of id: ReplicaID) -> Int? {
        for slot in peers.indices where peers[slot].id == id { return slot }
        return nil
    }

    package func contains(_ id: ReplicaID) -> Bool { slot(of: id) != nil }

    package func isVoter(_ id: ReplicaID) -> Bool {
        confState.voters.contains(id) || confState.votersOutgoing.contains(id)
    }

    /// Voters of either majority, sorted.
    package var voters: [ReplicaID] { confState.voters.inserting(confState.votersOutgoing) }

    package var isJoint: Bool { !confState.votersOutgoing.isEmpty }

    /// Whether one voter decides alone.
    package var isSingleton: Bool { confState.voters.count == 1 && !isJoint }

    func emptyInflights() -> Inflights { Inflights(countMax: inflightMessagesMax, bytesMax: inflightBytesMax) }

    // MARK: Decisions

    /// The largest index stored by both majorities; nil when there are no voters.
    package var committedIndex: LogIndex? { quorumIndex { slot in peers[slot].progress.match } }

    /// The largest value that both majorities have reached, where `value` looks one member up by slot.
    func quorumIndex(_ value: (Int) -> LogIndex?) -> LogIndex? {
        Quorum.committedIndex(incoming: confState.voters, outgoing: confState.votersOutgoing) { id in
            slot(of: id).flatMap(value)
        }
    }

    /// Whether both majorities were heard of since the last check.
    package var isQuorumActive: Bool {
        let result = Quorum.voteResult(incoming: confState.voters, outgoing: confState.votersOutgoing) { id in
            slot(of: id).map { !peers[$0].progress.isLearner && peers[$0].progress.isRecentlyActive }
        }
        return result == .won
    }

    // MARK: Votes

    mutating func resetVotes() { votes.removeAll(keepingCapacity: true) }

    /// Notes a vote. The first one of a replica counts.
    mutating func recordVote(_ id: ReplicaID, granted: Bool) {
        if votes.contains(where: { $0.id == id }) { return }
        votes.append((id, granted))
    }

    var voteResult: VoteResult {
        Quorum.voteResult(incoming: confState.voters, outgoing: confState.votersOutgoing) { id in
            votes.first { $0.id == id }?.granted
        }
    }
}

extension Array<ReplicaID> {
    /// The sorted union with `others`. Both are sorted.
    func inserting(_ others: [ReplicaID]) -> [ReplicaID] {
        var union = self
        for id in others { union.insertSorted(id) }
        return union
    }

    mutating func insertSorted(_ id: ReplicaID) {
        let place = firstIndex { $0 >= id } ?? endIndex
        if place < endIndex && self[place] == id { return }
        insert(id, at: place)
    }

    mutating func removeSorted(_ id: ReplicaID) { removeAll { $0 == id } }
}
