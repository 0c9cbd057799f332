import GrapeEngine
import GrapeRaft

/// Who waits for which entry that was proposed here.
///
/// Invariant: sorted by index. One index can be there twice: proposed by this replica as leader of two terms, with the
/// first not yet known to be lost.
struct OwnProposals {
    private struct Proposal {
        var index: RaftIndex
        var term: Term
        var token: Token
    }

    private var waiting: [Proposal] = []

    mutating func add(_ token: Token, at index: RaftIndex, term: Term) {
        let place = waiting.lastIndex { $0.index <= index }.map { $0 + 1 } ?? 0
        waiting.insert(Proposal(index: index, term: term, token: token), at: place)
    }

    /// These entries, one after another, are applied. -> what became of the proposals up to the last of them: lost
    /// where an entry of another term stands in their place, unknown where a snapshot covers it.
    mutating func settle(
        _ entries: [CommittedEntry], _ outcomes: [ApplyOutcome]
    ) -> [(token: Token, result: ProposalResult)] {
        guard let first = entries.first, let last = entries.last else { return [] }
        let settled = waiting.prefix(while: { $0.index.rawValue <= last.index.rawValue })
        let results = settled.map { proposal -> (token: Token, result: ProposalResult) in
            guard proposal.index.rawValue >= first.index.rawValue else { return (proposal.token, .unknown) }
            let place = Int(proposal.index.rawValue - first.index.rawValue)
            let isOwn = entries[place].term == proposal.term.rawValue
            return (proposal.token, isOwn ? .applied(outcomes[place]) : .lost)
        }
        waiting.removeFirst(results.count)
        return results
    }

    /// Takes out those up to an index: nobody can tell any more.
    mutating func take(through index: RaftIndex) -> [Token] {
        let tokens = waiting.prefix(while: { $0.index <= index }).map(\.token)
        waiting.removeFirst(tokens.count)
        return tokens
    }

    mutating func takeAll() -> [Token] { take(through: .max) }
}
