import GrapeRaft

/// Bugs planted in what a replica says.
extension SimulatedReplica {
    /// Joint majority ignored: agrees in the name of a voter who is only in the outgoing half. Returns whether the
    /// message is dealt with.
    func forge(_ message: Message) -> Bool {
        if !confState.votersOutgoing.contains(message.to) || confState.voters.contains(message.to) { return false }
        var answer = Message(.appendResponse, from: message.to, to: id, term: message.term)
        switch message.kind {
        case .append: answer.index = message.index.advanced(by: message.entries.count)
        case .vote: answer.kind = .voteResponse
        case .preVote: answer.kind = .preVoteResponse
        default: return false
        }
        forged.append(answer)
        return true
    }

    /// Old-term entry committed: announces whatever a majority holds.
    func announceOldTerms(_ message: inout Message) {
        guard role == .leader, message.kind == .append || message.kind == .heartbeat else { return }
        let progress = raft.status.progress
        func match(_ id: ReplicaID) -> LogIndex { progress.first { $0.id == id }?.progress.match ?? .zero }
        let matches = confState.voters.map(match).sorted(by: >)
        let majority = matches[matches.count / 2]
        let reached = message.kind == .append ? message.index.advanced(by: message.entries.count) : match(message.to)
        message.commit = max(message.commit, min(majority, reached))
    }
}
