/// What no correct replica sends, whatever the network does, is refused before it has any effect.
extension Raft {
    func check(_ message: Message) throws(RaftError) {
        let kind = message.kind
        if kind.isLocal || kind == .forgetLeader || message.from.isLocalThread {
            try checkFromThread(message)
            return
        }
        if kind.isResponse && !table.contains(message.from) { throw .peerNotFound(message.from) }
        if message.to != id { throw .malformed(kind, "addressed to \(message.to.rawValue), this is \(id.rawValue)") }
        try checkBounds(message)
        try checkSender(message)
        switch kind {
        case .propose: try checkProposal(message)
        case .append: try checkAppend(message)
        case .snapshot: try checkSnapshot(message)
        default: break
        }
    }

    /// Storage threads send two kinds, and report no more than they were given.
    private func checkFromThread(_ message: Message) throws(RaftError) {
        switch (message.kind, message.from) {
        case (.storageAppendResponse, .appendThread):
            if let snapshot = message.snapshot, snapshot.index > log.committed {
                throw .malformed(message.kind, "snapshot at \(snapshot.index.rawValue) was never handed out")
            }
        case (.storageApplyResponse, .applyThread):
            guard let last = message.entries.last else { return }
            if last.index > log.applying {
                throw .malformed(message.kind, "index \(last.index.rawValue) was never handed out")
            }
        default:
            throw message.kind.isLocal || message.kind == .forgetLeader
                ? .localMessage(message.kind) : .malformed(message.kind, "from a local thread")
        }
    }

    private func checkBounds(_ message: Message) throws(RaftError) {
        if message.term > Limits.termMax || message.logTerm > Limits.termMax {
            throw .malformed(message.kind, "term beyond any real one")
        }
        if max(message.index, message.commit, message.rejectHint) > Limits.indexMax {
            throw .malformed(message.kind, "index beyond any real one")
        }
        if message.entries.count > Limits.messageEntriesMax {
            throw .malformed(message.kind, "\(message.entries.count) entries")
        }
        if !message.responses.isEmpty { throw .malformed(message.kind, "responses from outside") }
        let isOutsideTerms = message.kind == .propose || message.kind == .readIndex
        if isOutsideTerms == (message.term == .zero) || configuration.trustsMessages { return }
        throw .malformed(message.kind, "term \(message.term.rawValue)")
    }

    /// Responses to itself are the only messages a replica gets from itself.
    private func checkSender(_ message: Message) throws(RaftError) {
        switch message.kind {
        case .append, .vote, .preVote, .snapshot, .heartbeat, .heartbeatResponse, .timeoutNow, .readIndexResponse:
            if message.from == id || message.from == .none {
                throw .malformed(message.kind, "from replica \(message.from.rawValue)")
            }
        case .propose, .readIndex, .transferLeader:
            if message.from == .none { throw .malformed(message.kind, "from replica 0") }
        default:
            break
        }
    }

    private func checkProposal(_ message: Message) throws(RaftError) {
        if message.entries.isEmpty { throw .malformed(.propose, "no entries") }
        for entry in message.entries where entry.isConfChange {
            do { _ = try ConfChange(decoding: entry) } catch { throw .confChange(error) }
        }
    }

    /// Entries follow each other and the one before them, and none is newer than its leader.
    private func checkAppend(_ message: Message) throws(RaftError) {
        if message.index == .zero && message.logTerm != .zero { throw .malformed(.append, "term at index 0") }
        var index = message.index
        var term = message.logTerm
        for position in message.entries.indices {
            let id = message.entries[position].id
            if id.index != index.next {
                throw .malformed(.append, "entry \(id.index.rawValue) after \(index.rawValue)")
            }
            if id.term < term || id.term > message.term || id.term == .zero {
                throw .malformed(.append, "entry of term \(id.term.rawValue) after term \(term.rawValue)")
            }
            index = id.index
            term = id.term
        }
    }

    private func checkSnapshot(_ message: Message) throws(RaftError) {
        guard let snapshot = message.snapshot, !snapshot.isEmpty else { return }
        if snapshot.index > Limits.indexMax || (snapshot.term > message.term && message.term != .zero) {
            throw .malformed(.snapshot, "index \(snapshot.index.rawValue) of term \(snapshot.term.rawValue)")
        }
        do {
            _ = try table.restoring(snapshot.confState, lastIndex: snapshot.index)
        } catch {
            throw .confChange(error)
        }
    }
}
