import GrapeEngine
import GrapeModel

/// A write of one group on its way: its entries (pieces of one command, where that is long) go together and under one
/// origin, however often they are sent.
package struct RoutedWrite: Sendable {
    package let group: LogGroup
    package let entries: [[UInt8]]

    package init(group: LogGroup, entries: [[UInt8]]) {
        self.group = group
        self.entries = entries
    }
}

/// What a routed write came to in the end.
package enum WriteFate: Sendable {
    case applied(ApplyOutcome)
    /// It was not and will not be applied.
    case refused(GrapeError)
    /// It may have been applied, or may still be.
    case unknown
}

/// A routed write and what its attempts have told. A value: the router carries out what it says.
package struct WriteAttempts {
    package let write: RoutedWrite
    package private(set) var fate: WriteFate?
    /// An attempt went out whose end nobody saw.
    package private(set) var mayBeIn = false
    /// Where the last answer said that the leader is.
    package private(set) var leader: NodeNumber?

    package init(_ write: RoutedWrite) { self.write = write }

    /// The results of all its entries, as one node gave them.
    package mutating func take(_ results: ArraySlice<ProposalResult>) {
        leader = nil
        // Of a command in pieces the one that completed it has the outcome.
        for case .applied(let outcome) in results where outcome != .pending {
            fate = .applied(outcome)
            return
        }
        // First: a piece refused now may have been taken by an earlier attempt, and another one complete the command.
        for case .unknown in results { mayBeIn = true }
        for result in results { take(result) }
    }

    private mutating func take(_ result: ProposalResult) {
        switch result {
        case .applied: break
        // An earlier piece may be in, which alone does nothing.
        case .lost: break
        case .notLeader(let node): leader = node
        case .unknown: break
        case .refused(let error):
            // A node that goes down or has no quorum may be followed by another leader.
            if !mayBeIn, error.code != .unavailable { fate = .refused(error) }
        }
    }

    /// The node was not reached, or answered nothing that can be read.
    package mutating func noAnswer(mayHaveArrived: Bool) {
        leader = nil
        mayBeIn = mayBeIn || mayHaveArrived
    }

    /// Time is over.
    package mutating func end(_ error: GrapeError) {
        guard fate == nil else { return }
        fate = mayBeIn ? .unknown : .refused(error)
    }
}
