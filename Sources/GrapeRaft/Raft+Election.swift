/// Timers and elections.
extension Raft {
    enum CampaignKind {
        /// Asks whether an election could be won, without disturbing anyone.
        case preElection
        case election
        /// An election that the old leader asked for.
        case transfer
    }

    /// One tick of the clock.
    package mutating func tick() {
        if stopReason != nil { return }
        // What a timer starts is refused only when the replica stops, which `stepChecked` has noted.
        if role == .leader { tickLeader() } else { tickOther() }
    }

    private mutating func tickOther() {
        electionElapsed += 1
        if electionElapsed >= electionTimeout && isPromotable {
            electionElapsed = 0
            try? stepChecked(Message(.hup, from: id))
        }
    }

    private mutating func tickLeader() {
        heartbeatElapsed += 1
        electionElapsed += 1
        if electionElapsed >= configuration.electionTicks {
            electionElapsed = 0
            if configuration.checkQuorum { checkQuorum() }
            // A transfer that takes longer than an election timeout has failed.
            if role == .leader { transferee = .none }
        }
        if role == .leader && heartbeatElapsed >= configuration.heartbeatTicks {
            heartbeatElapsed = 0
            broadcastHeartbeat()
        }
    }

    /// Thesis 6.2: a leader steps down when an election timeout passes without a round of answers from a majority.
    private mutating func checkQuorum() {
        if !table.isQuorumActive { becomeFollower(term: term, leader: .none) }
        for slot in table.peers.indices where table.peers[slot].id != id {
            table.peers[slot].progress.isRecentlyActive = false
        }
    }

    /// Starts an election now.
    package mutating func campaign() throws(RaftError) { try stepChecked(Message(.hup, from: id)) }

    /// Whether this replica could lead: a voter whose state is not about to be replaced.
    private var isPromotable: Bool {
        guard let slot = table.slot(of: id) else { return false }
        return !table.peers[slot].progress.isLearner && log.unstable.snapshot == nil
    }

    /// Starts an election unless it would be wrong to win it.
    mutating func campaign(_ kind: CampaignKind) throws(RaftError) {
        if role == .leader || !isPromotable { return }
        if try hasUnappliedConfChange() { return }
        try ask(kind)
    }

    /// A committed change that is not applied here yet may have removed this replica, or changed what a majority is.
    private mutating func hasUnappliedConfChange() throws(RaftError) -> Bool {
        var next = log.applied.next
        while next <= log.committed {
            guard
                let page = try log.entries(from: next, to: log.committed.next, sizeMax: log.applyingBytesMax),
                let last = page.last
            else { throw .stopped(.storage(.compacted)) }
            if page.contains(where: \.isConfChange) { return true }
            next = last.index.next
        }
        return false
    }

    private mutating func ask(_ kind: CampaignKind) throws(RaftError) {
        let request: MessageKind
        let askedTerm: Term
        if kind == .preElection {
            becomePreCandidate()
            request = .preVote
            askedTerm = term.next
        } else {
            becomeCandidate()
            request = .vote
            askedTerm = term
        }
        let last = try log.lastID()
        for voter in table.voters {
            if voter == id {
                // The own vote counts once it is durable, like any other.
                send(Message(voteResponse(to: request), to: id, term: askedTerm))
            } else {
                send(
                    Message(
                        request, to: voter, term: askedTerm, logTerm: last.term, index: last.index,
                        isTransfer: kind == .transfer))
            }
        }
    }

    private func voteResponse(to request: MessageKind) -> MessageKind {
        request == .vote ? .voteResponse : .preVoteResponse
    }

    mutating func answerVote(_ message: Message) throws(RaftError) {
        // 1. a repetition of a vote already given, 2. no vote given and no leader known in this term,
        // 3. a pre-vote for a term to come.
        let isFree =
            vote == message.from || (vote == .none && leader == .none)
            || (message.kind == .preVote && message.term > term)
        // Learners vote too: a candidate that asks knows of a promotion that this replica has yet to learn.
        let response = voteResponse(to: message.kind)
        let isUpToDate = try log.isUpToDate(EntryID(term: message.logTerm, index: message.index))
        if isFree && isUpToDate {
            // The term is that of the request: a pre-candidate behind in terms would ignore any other.
            send(Message(response, to: message.from, term: message.term))
            if message.kind == .vote {
                electionElapsed = 0
                vote = message.from
            }
        } else {
            send(Message(response, to: message.from, term: term, reject: true))
        }
    }

    mutating func countVote(_ message: Message) throws(RaftError) {
        table.recordVote(message.from, granted: !message.reject)
        switch table.voteResult {
        case .pending:
            break
        case .won where role == .preCandidate:
            try ask(.election)
        case .won:
            becomeLeader()
            try broadcastAppend()
        case .lost:
            becomeFollower(term: term, leader: .none)
        }
    }

    // MARK: Transfer and forgetting

    /// Asks the leader to hand leadership to `replica`.
    package mutating func transferLeadership(to replica: ReplicaID) throws(RaftError) {
        try stepChecked(Message(.transferLeader, from: replica))
    }

    /// Forgets the leader without a change of term, so that this replica votes at once.
    package mutating func forgetLeader() throws(RaftError) { try stepChecked(Message(.forgetLeader)) }

    mutating func startTransfer(to slot: Int) throws(RaftError) {
        let target = table.peers[slot].id
        if table.peers[slot].progress.isLearner || transferee == target { return }
        transferee = .none
        if target == id { return }
        electionElapsed = 0
        transferee = target
        if table.peers[slot].progress.match == log.lastIndex {
            send(Message(.timeoutNow, to: target))
        } else {
            try sendAppend(to: slot)
        }
    }
}
