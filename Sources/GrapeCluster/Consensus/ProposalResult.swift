import GrapeEngine
import GrapeModel

/// What became of a proposal.
package enum ProposalResult: Sendable {
    /// Committed and applied on this node, which led; visible to searches here.
    case applied(ApplyOutcome)
    /// Not proposed: another node leads, if it is known which.
    case notLeader(NodeNumber?)
    /// Proposed, but another entry stands in its place: it was not and never will be applied.
    case lost
    /// Not proposed, for another reason: overloaded, disk full, wrong epoch, going down.
    case refused(GrapeError)
    /// Proposed, and its fate is not known: repeat it under the same origin or report it as unknown.
    case unknown
}
