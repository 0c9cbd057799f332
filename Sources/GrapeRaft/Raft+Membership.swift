/// Configuration changes: admitted one at a time, in force when applied.
extension Raft {
    // MARK: Proposing

    package mutating func proposeConfChange(_ change: ConfChange) throws(RaftError) {
        try proposeConfChange(encoded: change.encoded, kind: change.entryKind)
    }

    private mutating func proposeConfChange(encoded: [UInt8], kind: EntryKind) throws(RaftError) {
        try stepChecked(Message(.propose, from: id, entries: [Entry(kind: kind, data: encoded)]))
    }

    /// Replaces a change that may not follow the active configuration by an empty entry.
    mutating func admitConfChange(_ entry: inout Entry, at index: LogIndex) throws(RaftError) {
        let change: ConfChange
        do { change = try ConfChange(decoding: entry) } catch { throw .confChange(error) }
        let mayFollow = pendingConfIndex <= log.applied && table.isJoint == change.steps.isEmpty
        // Between joint and joint, or from simple to leaving, there is no way.
        if mayFollow || configuration.disableConfChangeValidation {
            pendingConfIndex = index
        } else {
            entry = Entry()
        }
    }

    // MARK: Applying

    /// Puts a committed change into force. Called by whoever applies entries, when it comes to this one.
    ///
    /// A change that does not apply throws and leaves everything as it is, on every replica alike: the entry then
    /// counts as empty.
    package mutating func applyConfChange(_ change: ConfChange) throws(RaftError) -> ConfState {
        if let stopReason { throw .stopped(stopReason) }
        let changed: ReplicaTable
        do {
            changed = try table.applying(change, lastIndex: log.lastIndex)
        } catch {
            throw .confChange(error)
        }
        do {
            return try adopt(changed)
        } catch {
            noteStop(error)
            throw error
        }
    }

    /// Makes a configuration the active one and draws the consequences.
    mutating func adopt(_ changed: ReplicaTable) throws(RaftError) -> ConfState {
        table = changed
        let own = table.slot(of: id)
        isLearner = own.map { table.peers[$0].progress.isLearner } ?? false
        if role != .leader { return table.confState }
        if own == nil || isLearner {
            if configuration.stepDownOnRemoval { becomeFollower(term: term, leader: .none) }
            return table.confState
        }
        if table.confState.voters.isEmpty { return table.confState }
        if try maybeCommit() {
            // A smaller quorum may have committed more.
            releaseEarlyReads()
            try broadcastAppend()
        } else {
            // New members need not wait for the next heartbeat.
            for slot in table.peers.indices where table.peers[slot].id != id {
                _ = try maybeSendAppend(to: slot, sendIfEmpty: false)
            }
        }
        if !table.isVoter(transferee) { transferee = .none }
        return table.confState
    }

    /// Entries or a snapshot up to `index` are applied.
    mutating func applied(through index: LogIndex, bytes: UInt64) throws(RaftError) {
        log.advanceApplied(to: max(index, log.applied), bytes: bytes)
        guard table.confState.autoLeave && log.applied >= pendingConfIndex && role == .leader else { return }
        // Without data it weighs nothing and is dropped only during a transfer; the next applied entry tries again.
        do {
            try proposeConfChange(encoded: [], kind: .confChangeV2)
        } catch .proposalDropped {
            return
        } catch {
            throw error
        }
    }
}
