/// The leader's side of the log: proposals, appends, acknowledgements; and the follower's answers.
extension Raft {
    // MARK: Proposals

    /// Proposes one entry.
    package mutating func propose(_ data: [UInt8]) throws(RaftError) {
        try proposeHere([Entry(data: data)])
    }

    /// Proposes entries that are to stand next to each other.
    package mutating func propose(_ batch: [[UInt8]]) throws(RaftError) {
        if batch.isEmpty || batch.count > Limits.messageEntriesMax {
            throw .malformed(.propose, "\(batch.count) entries")
        }
        try proposeHere(batch.map { Entry(data: $0) })
    }

    /// A leader takes the array over as it is; anyone else passes it on in a message.
    private mutating func proposeHere(_ entries: consuming [Entry]) throws(RaftError) {
        if role != .leader || stopReason != nil {
            return try stepChecked(Message(.propose, from: id, entries: entries))
        }
        do {
            try proposeAsLeader(entries)
        } catch {
            noteStop(error)
            throw error
        }
    }

    private mutating func proposeAsLeader(_ proposed: consuming [Entry]) throws(RaftError) {
        // A leader that was removed lets nothing new in; one that hands over does not either.
        if !table.contains(id) || transferee != .none { throw .proposalDropped }
        var entries = proposed
        for position in entries.indices where entries[position].isConfChange {
            try admitConfChange(&entries[position], at: log.lastIndex.advanced(by: position + 1))
        }
        if !appendAsLeader(&entries) { throw .proposalDropped }
        try broadcastAppend()
    }

    /// Gives entries their place and appends them. False when too much is uncommitted already.
    mutating func appendAsLeader(_ entries: inout [Entry]) -> Bool {
        let bytes = entries.payloadSize
        // Empty entries always pass, and so does anything when nothing is uncommitted.
        if uncommittedBytes > 0 && bytes > 0 && uncommittedBytes + bytes > configuration.uncommittedBytesMax {
            return false
        }
        uncommittedBytes += bytes
        var index = log.lastIndex
        for position in entries.indices {
            index = index.next
            entries[position].term = term
            entries[position].index = index
        }
        log.append(entries)
        // The leader's own copy counts once it is durable, like a follower's.
        send(Message(.appendResponse, to: id, index: index))
        return true
    }

    // MARK: Sending

    mutating func broadcastAppend() throws(RaftError) {
        for slot in table.peers.indices where table.peers[slot].id != id { try sendAppend(to: slot) }
    }

    /// Sends what is new, or else the commit index, unless the follower is paused.
    mutating func sendAppend(to slot: Int) throws(RaftError) { _ = try maybeSendAppend(to: slot, sendIfEmpty: true) }

    /// Returns whether a message was sent.
    mutating func maybeSendAppend(to slot: Int, sendIfEmpty: Bool) throws(RaftError) -> Bool {
        if table.peers[slot].progress.isPaused { return false }
        let next = table.peers[slot].progress.next
        guard let previousTerm = try log.term(at: next.previous) else { return try maybeSendSnapshot(to: slot) }
        // With a full window only an empty message goes out: if all in flight are lost, its answer shows it.
        let isWindowFull = table.peers[slot].progress.state == .replicate && table.peers[slot].progress.inflights.isFull
        var entries: [Entry] = []
        if !isWindowFull && next <= log.lastIndex {
            let limit = log.lastIndex.next
            guard let run = try log.entries(from: next, to: limit, sizeMax: configuration.messageBytesMax) else {
                return sendIfEmpty ? try maybeSendSnapshot(to: slot) : false
            }
            entries = run
        }
        if entries.isEmpty && !sendIfEmpty { return false }
        table.peers[slot].progress.sentEntries(entries.count, bytes: entries.payloadSize)
        table.peers[slot].progress.sentCommit(log.committed)
        send(
            Message(
                .append, to: table.peers[slot].id, logTerm: previousTerm, index: next.previous, commit: log.committed,
                entries: entries))
        return true
    }

    mutating func broadcastHeartbeat() {
        let round = reads.roundNumber
        for slot in table.peers.indices where table.peers[slot].id != id {
            // Never past what the follower is known to have: its log may not agree with this one beyond.
            let commit = min(table.peers[slot].progress.match, log.committed)
            table.peers[slot].progress.sentCommit(commit)
            send(Message(.heartbeat, to: table.peers[slot].id, commit: commit, context: round))
        }
    }

    // MARK: Answers

    mutating func stepLeader(_ message: Message) throws(RaftError) {
        switch message.kind {
        case .propose: return try proposeAsLeader(message.entries)
        case .readIndex: return try readAsLeader(message)
        case .append, .heartbeat: return try checkOneLeader(message.from)
        default: break
        }
        guard let slot = table.slot(of: message.from) else { return }
        switch message.kind {
        case .appendResponse: try handleAppendResponse(message, slot)
        case .heartbeatResponse: try handleHeartbeatResponse(message, slot)
        case .snapshotStatus: handleSnapshotStatus(slot, failed: message.reject)
        case .unreachable:
            // What was sent ahead is probably lost.
            if table.peers[slot].progress.state == .replicate { table.peers[slot].progress.becomeProbe() }
        case .transferLeader: try startTransfer(to: slot)
        default: break
        }
    }

    private mutating func handleAppendResponse(_ message: Message, _ slot: Int) throws(RaftError) {
        let isPossible = message.index <= log.lastIndex && message.rejectHint <= message.index
        if !isPossible && !configuration.trustsMessages {
            throw .malformed(.appendResponse, "index \(message.index.rawValue), log ends at \(log.lastIndex.rawValue)")
        }
        table.peers[slot].progress.isRecentlyActive = true
        if message.reject {
            try handleRejection(message, slot)
        } else {
            try handleAcknowledgement(message, slot)
        }
    }

    /// Section 5.3: the leader backs up and tries again, skipping what by its own log cannot match.
    private mutating func handleRejection(_ message: Message, _ slot: Int) throws(RaftError) {
        var hint = message.rejectHint
        if message.logTerm != .zero {
            hint = try log.lastPossibleMatch(at: hint, term: message.logTerm).index
        }
        guard table.peers[slot].progress.retreat(rejected: message.index, hint: hint) else { return }
        try sendAppend(to: slot)
    }

    private mutating func handleAcknowledgement(_ message: Message, _ slot: Int) throws(RaftError) {
        let isNew = table.peers[slot].progress.acknowledge(through: message.index)
        let state = table.peers[slot].progress.state
        if !isNew && !(state == .probe && table.peers[slot].progress.match == message.index) { return }
        switch state {
        case .probe:
            table.peers[slot].progress.becomeReplicate()
        case .snapshot:
            // Whatever snapshot arrived there: once the log reaches it, replication goes on.
            if try table.peers[slot].progress.match.next >= log.firstIndex() {
                table.peers[slot].progress.becomeProbe()
                table.peers[slot].progress.becomeReplicate()
            }
        case .replicate:
            table.peers[slot].progress.freeInflights(through: message.index)
        }
        try followUp(message.from, slot)
    }

    /// After an acknowledgement more may be committed, sent, or handed over.
    private mutating func followUp(_ follower: ReplicaID, _ slot: Int) throws(RaftError) {
        if try maybeCommit() {
            releaseEarlyReads()
            try broadcastAppend()
        } else if follower != id && table.peers[slot].progress.canAdvanceCommit(to: log.committed) {
            try sendAppend(to: slot)
        }
        if follower == id { return }
        while try maybeSendAppend(to: slot, sendIfEmpty: false) {}
        if follower == transferee && table.peers[slot].progress.match == log.lastIndex {
            send(Message(.timeoutNow, to: follower))
        }
    }

    /// Section 5.3 and 5.4.2. Returns whether the commit index rose.
    mutating func maybeCommit() throws(RaftError) -> Bool {
        guard let index = table.committedIndex else { return false }
        return try log.commitIfOwnTerm(EntryID(term: term, index: index))
    }

    private mutating func handleHeartbeatResponse(_ message: Message, _ slot: Int) throws(RaftError) {
        if message.context > reads.newest {
            throw .malformed(.heartbeatResponse, "read \(message.context) of \(reads.newest)")
        }
        table.peers[slot].progress.isRecentlyActive = true
        table.peers[slot].progress.resumeFlow()
        // Also to a follower that is up to date but probed: its answer ends the probing.
        if table.peers[slot].progress.match < log.lastIndex || table.peers[slot].progress.state == .probe {
            try sendAppend(to: slot)
        }
        confirmReads(message)
    }

    package mutating func reportUnreachable(_ replica: ReplicaID) {
        try? stepChecked(Message(.unreachable, from: replica))
    }

    // MARK: The follower's side

    mutating func handleAppend(_ message: Message) throws(RaftError) {
        if message.index < log.committed {
            // Old news. Everything committed here is in the leader's log too.
            send(Message(.appendResponse, to: message.from, index: log.committed))
            return
        }
        let previous = EntryID(term: message.logTerm, index: message.index)
        if let last = try log.append(message.entries, after: previous, commit: message.commit) {
            send(Message(.appendResponse, to: message.from, index: last))
            return
        }
        // The hint skips what cannot match: everything here newer than the leader's entry before the append.
        let hint = try log.lastPossibleMatch(at: min(message.index, log.lastIndex), term: message.logTerm)
        send(
            Message(
                .appendResponse, to: message.from, logTerm: hint.term, index: message.index, reject: true,
                rejectHint: hint.index))
    }

    mutating func handleHeartbeat(_ message: Message) throws(RaftError) {
        // A leader sends at most what this replica acknowledged as durable in this term.
        if message.commit > log.lastIndex {
            throw .stopped(.commitBeyondLog(commit: message.commit, lastIndex: log.lastIndex))
        }
        log.advanceCommit(to: message.commit)
        send(Message(.heartbeatResponse, to: message.from, context: message.context))
    }
}
