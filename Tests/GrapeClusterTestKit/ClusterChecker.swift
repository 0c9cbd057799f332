import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// Watches all nodes of a run at once, group by group, for what must never happen:
///
/// 1. Two leaders in a term. 2. Two votes of a replica in a term. 3. Two entries applied at one index, or one out of turn.
/// 4. Different rows at one applied index. 5. More voters than the placement allows: never four of three.
struct ClusterChecker {
    private struct GroupTerm: Hashable {
        var group: LogGroup
        var term: Term
    }

    private struct Vote: Hashable {
        var replica: ReplicaID
        var term: Term
    }

    private struct Place: Hashable {
        var group: LogGroup
        var index: UInt64
    }

    private struct AppliedEntry {
        var term: UInt64
        var content: UInt64
        var node: NodeNumber
    }

    private var leaders: [GroupTerm: ReplicaID] = [:]
    private var votes: [Vote: ReplicaID] = [:]
    private var applied: [Place: AppliedEntry] = [:]
    private var states: [Place: (copy: ShardCopy, node: NodeNumber)] = [:]
    private var newestTerm: [LogGroup: Term] = [:]

    /// What leaves a node. -> whether a leader shows itself for the first time.
    mutating func sent(_ message: GroupMessage) throws(Violation) -> Bool {
        let raft = message.message
        switch raft.kind {
        case .append, .heartbeat: return try leads(message.group, raft.term, raft.from)
        case .voteResponse where !raft.reject:
            let vote = Vote(replica: raft.from, term: raft.term)
            if let other = votes[vote], other != raft.to {
                throw Violation(
                    .votedTwice,
                    "replica \(raft.from.rawValue) in term \(raft.term.rawValue): for \(other.rawValue) and \(raft.to.rawValue)"
                )
            }
            votes[vote] = raft.to
            return false
        default: return false
        }
    }

    private mutating func leads(_ group: LogGroup, _ term: Term, _ id: ReplicaID) throws(Violation) -> Bool {
        let key = GroupTerm(group: group, term: term)
        if let other = leaders[key] {
            guard other != id else { return false }
            throw Violation(
                .oneLeaderPerTerm,
                "group \(group.number), term \(term.rawValue): replicas \(other.rawValue) and \(id.rawValue)")
        }
        leaders[key] = id
        return true
    }

    mutating func applied(_ entry: CommittedEntry, on node: NodeNumber) throws(Violation) {
        let place = Place(group: entry.group, index: entry.index.rawValue)
        let content: UInt64
        switch entry.content {
        case .command(let bytes): content = TraceHash.of(bytes)
        case .empty: content = 1
        case .configuration(let bytes): content = TraceHash.of(bytes) ^ 2
        }
        guard let first = applied[place] else {
            applied[place] = AppliedEntry(term: entry.term, content: content, node: node)
            return
        }
        if first.term != entry.term || first.content != content {
            throw Violation(
                .committedChanged,
                "group \(entry.group.number), index \(entry.index): nodes \(first.node) and \(node) apply different entries"
            )
        }
    }

    /// All that is known of a group behind the entry that it has applied.
    mutating func state(_ copy: ShardCopy, on node: NodeNumber) throws(Violation) {
        let place = Place(group: copy.group, index: copy.state.applied.rawValue)
        guard let first = states[place] else {
            states[place] = (copy, node)
            return
        }
        if let difference = first.copy.difference(from: copy) {
            throw Violation(
                .appliedStateDiffers,
                "group \(copy.group.number) at index \(place.index): nodes \(first.node) and \(node): \(difference)")
        }
    }

    /// A configuration as a replica has applied it.
    func configuration(_ confState: ConfState, of group: LogGroup, replicaCount: Int) throws(Violation) {
        guard case .shard = group else { return }
        let largest = max(confState.voters.count, confState.votersOutgoing.count)
        // The only replica can't leave before another votes.
        if largest > max(replicaCount, 2) {
            throw Violation(
                .configuration, "group \(group.number) has \(largest) voters, it is to have \(replicaCount)")
        }
    }
}
