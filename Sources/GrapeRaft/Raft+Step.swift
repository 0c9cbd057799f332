/// Messages come in here: first checked for what cannot be, then for their term, then handled by role.
extension Raft {
    /// Takes a message from another replica or from a storage thread of this node.
    ///
    /// The transport must refuse kinds that are `isLocal`, and senders that are this replica or a local thread: the
    /// core cannot tell a forged completion from a true one.
    package mutating func step(_ message: Message) throws(RaftError) {
        if let stopReason { throw .stopped(stopReason) }
        try check(message)
        try stepChecked(message)
    }

    /// Takes a message that is checked or made here.
    mutating func stepChecked(_ message: Message) throws(RaftError) {
        if let stopReason { throw .stopped(stopReason) }
        do {
            if message.term == .zero || message.term == term {
                try handle(message)
            } else if message.term > term {
                if try meetHigherTerm(message) { try handle(message) }
            } else {
                try meetLowerTerm(message)
            }
        } catch {
            noteStop(error)
            throw error
        }
    }

    // MARK: Terms

    /// Section 5.1: a server that sees a larger term updates its own. Returns whether the message is still of interest.
    private mutating func meetHigherTerm(_ message: Message) throws(RaftError) -> Bool {
        switch message.kind {
        case .vote, .preVote:
            // Within the shortest election timeout of hearing from a leader, no vote is given (section 6, end), unless
            // that leader itself asked for the election.
            let isLeaderFresh =
                configuration.checkQuorum && leader != .none && electionElapsed < configuration.electionTicks
            if isLeaderFresh && !message.isTransfer { return false }
            if message.kind == .vote { becomeFollower(term: message.term, leader: .none) }
        case .preVoteResponse where !message.reject:
            // A granted pre-vote carries the term of the election to come.
            break
        case .append, .heartbeat:
            becomeFollower(term: message.term, leader: message.from)
        default:
            becomeFollower(term: message.term, leader: .none)
        }
        return true
    }

    private mutating func meetLowerTerm(_ message: Message) throws(RaftError) {
        switch message.kind {
        case .heartbeat, .append:
            // Where votes are refused or not asked for, nothing else tells a leader left behind of the higher term.
            if configuration.checkQuorum || configuration.preVote {
                send(Message(.appendResponse, to: message.from))
            }
        case .preVote:
            send(Message(.preVoteResponse, to: message.from, term: term, reject: true))
        case .storageAppendResponse:
            // Entries of an earlier term may have been replaced by a write that is still under way, so they do not
            // count as stable. A snapshot is committed, whatever the term.
            if let snapshot = message.snapshot { try applied(snapshot) }
        default:
            break
        }
    }

    // MARK: Dispatch

    private mutating func handle(_ message: Message) throws(RaftError) {
        switch message.kind {
        case .hup:
            try campaign(configuration.preVote ? .preElection : .election)
        case .storageAppendResponse:
            if message.index != .zero {
                log.stable(through: EntryID(term: message.logTerm, index: message.index))
            }
            if let snapshot = message.snapshot { try applied(snapshot) }
        case .storageApplyResponse:
            if let last = message.entries.last {
                try applied(through: last.index, bytes: message.entries.encodedSize)
                uncommittedBytes -= min(uncommittedBytes, message.entries.payloadSize)
            }
        case .vote, .preVote:
            try answerVote(message)
        default:
            switch role {
            case .follower: try stepFollower(message)
            case .candidate, .preCandidate: try stepCandidate(message)
            case .leader: try stepLeader(message)
            }
        }
    }

    private mutating func stepFollower(_ message: Message) throws(RaftError) {
        switch message.kind {
        case .propose:
            if leader == .none || configuration.disableProposalForwarding { throw .proposalDropped }
            forward(message)
        case .append:
            try follow(message.from)
            try handleAppend(message)
        case .heartbeat:
            try follow(message.from)
            try handleHeartbeat(message)
        case .snapshot:
            try takeSnapshot(message)
        case .transferLeader, .readIndex:
            if leader != .none { forward(message) }
        case .forgetLeader:
            // A lease that is still trusted must not be broken by an election.
            if configuration.readMode != .leaseBased { forgetCurrentLeader() }
        case .timeoutNow:
            // Section 3.10 of the thesis. No pre-vote: the leader wants it.
            try campaign(.transfer)
        case .readIndexResponse:
            readStates.append(ReadState(index: message.index, context: ReadContext(message.context)))
        default:
            break
        }
    }

    private mutating func stepCandidate(_ message: Message) throws(RaftError) {
        switch message.kind {
        case .propose:
            throw .proposalDropped
        case .append, .heartbeat, .snapshot:
            // Section 5.2: a legitimate leader of at least the same term ends the candidacy.
            if message.kind != .snapshot { try checkOneLeader(message.from) }
            becomeFollower(term: configuration.trustsMessages ? message.term : term, leader: .none)
            try stepFollower(message)
        case .voteResponse where role == .candidate, .preVoteResponse where role == .preCandidate:
            try countVote(message)
        default:
            break
        }
    }

    private mutating func follow(_ sender: ReplicaID) throws(RaftError) {
        try checkOneLeader(sender)
        electionElapsed = 0
        setLeader(sender)
    }

    /// A snapshot is committed state, whoever sends it; its sender passes for the leader until the leader speaks.
    private mutating func takeSnapshot(_ message: Message) throws(RaftError) {
        electionElapsed = 0
        presumeLeader(message.from)
        try handleSnapshot(message)
    }

    // MARK: Sending

    /// Passes a message of any follower on to the leader.
    private mutating func forward(_ message: Message) {
        var copy = message
        copy.to = leader
        copy.term = .zero
        if copy.to == id { return }
        send(copy)
    }

    /// Queues a message. Votes carry their own term, everything else but proposals and reads the current one.
    mutating func send(_ outgoing: consuming Message) {
        if outgoing.from == .none { outgoing.from = id }
        switch outgoing.kind {
        case .vote, .voteResponse, .preVote, .preVoteResponse:
            precondition(outgoing.term != .zero, "a vote without a term")
        default:
            precondition(outgoing.term == .zero, "\(outgoing.kind) with term \(outgoing.term.rawValue)")
            if outgoing.kind != .propose && outgoing.kind != .readIndex { outgoing.term = term }
        }
        switch outgoing.kind {
        case .appendResponse, .voteResponse, .preVoteResponse:
            // Votes and acknowledgements speak of state that must survive a restart (section 3.8 of the thesis).
            messagesAfterAppend.append(outgoing)
        default:
            precondition(outgoing.to != id, "\(outgoing.kind) to itself")
            if messages.isEmpty { messages.reserveCapacity(4) }
            messages.append(outgoing)
        }
    }
}
