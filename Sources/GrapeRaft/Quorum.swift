package enum VoteResult: Sendable, Hashable {
    case pending
    case lost
    case won
}

/// Decisions of one majority, and of two at once while a configuration is joint. An empty majority agrees to
/// everything, so that one empty half makes a joint decision that of the other half.
package enum Quorum {
    /// The largest index that a majority of `voters` has acknowledged; nil (no bound) for an empty majority.
    ///
    /// Quadratic in a handful of voters, and in exchange without sorting or allocating.
    package static func committedIndex(
        _ voters: [ReplicaID], acknowledged: (ReplicaID) -> LogIndex?
    ) -> LogIndex? {
        if voters.isEmpty { return nil }
        let needed = voters.count / 2 + 1
        var best = LogIndex.zero
        for candidate in voters {
            guard let index = acknowledged(candidate), index > best else { continue }
            var support = 0
            for voter in voters {
                if let other = acknowledged(voter), other >= index { support += 1 }
            }
            if support >= needed { best = index }
        }
        return best
    }

    /// The largest index that both majorities have acknowledged.
    package static func committedIndex(
        incoming: [ReplicaID], outgoing: [ReplicaID], acknowledged: (ReplicaID) -> LogIndex?
    ) -> LogIndex? {
        let first = committedIndex(incoming, acknowledged: acknowledged)
        guard let second = committedIndex(outgoing, acknowledged: acknowledged) else { return first }
        return first.map { min($0, second) } ?? second
    }

    /// What `votes` decide: nil stands for a vote not yet cast.
    package static func voteResult(_ voters: [ReplicaID], votes: (ReplicaID) -> Bool?) -> VoteResult {
        if voters.isEmpty { return .won }
        var granted = 0
        var missing = 0
        for voter in voters {
            switch votes(voter) {
            case true?: granted += 1
            case false?: break
            case nil: missing += 1
            }
        }
        let needed = voters.count / 2 + 1
        if granted >= needed { return .won }
        return granted + missing >= needed ? .pending : .lost
    }

    /// Won when both majorities say so, lost when either does.
    package static func voteResult(
        incoming: [ReplicaID], outgoing: [ReplicaID], votes: (ReplicaID) -> Bool?
    ) -> VoteResult {
        let first = voteResult(incoming, votes: votes)
        let second = voteResult(outgoing, votes: votes)
        if first == second { return first }
        return first == .lost || second == .lost ? .lost : .pending
    }
}
