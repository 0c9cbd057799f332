/// Snapshots: when the log no longer reaches back far enough for a follower.
extension Raft {
    // MARK: The leader's side

    /// Sends the newest snapshot, unless there is none yet or nobody there to take it. Returns whether it was sent.
    mutating func maybeSendSnapshot(to slot: Int) throws(RaftError) -> Bool {
        if !table.peers[slot].progress.isRecentlyActive { return false }
        let snapshot: Snapshot
        do {
            snapshot = try log.snapshot()
        } catch .snapshotTemporarilyUnavailable {
            return false
        } catch {
            throw .stopped(.storage(error))
        }
        if snapshot.isEmpty { throw .stopped(.storage(.failed("the log is compacted and there is no snapshot"))) }
        table.peers[slot].progress.becomeSnapshot(at: snapshot.index)
        send(Message(.snapshot, to: table.peers[slot].id, snapshot: snapshot))
        return true
    }

    /// Tells the leader how sending a snapshot ended.
    package mutating func reportSnapshot(_ replica: ReplicaID, succeeded: Bool) {
        try? stepChecked(Message(.snapshotStatus, from: replica, reject: !succeeded))
    }

    mutating func handleSnapshotStatus(_ slot: Int, failed: Bool) {
        guard table.peers[slot].progress.state == .snapshot else { return }
        if failed { table.peers[slot].progress.snapshotFailed() }
        table.peers[slot].progress.becomeProbe()
        // The follower's own answer, or the next heartbeat, sets replication going again.
        table.peers[slot].progress.pauseFlow()
    }

    // MARK: The follower's side

    mutating func handleSnapshot(_ message: Message) throws(RaftError) {
        if let snapshot = message.snapshot, try restore(snapshot) {
            send(Message(.appendResponse, to: message.from, index: log.lastIndex))
        } else {
            send(Message(.appendResponse, to: message.from, index: log.committed))
        }
    }

    /// Takes the snapshot's place in the log and its configuration. False when it brings nothing new.
    private mutating func restore(_ snapshot: Snapshot) throws(RaftError) -> Bool {
        if snapshot.index <= log.committed { return false }
        // Everything here assumes that a replica with state belongs to the group.
        if !snapshot.confState.contains(id) { return false }
        if try log.matches(snapshot.id) {
            log.advanceCommit(to: snapshot.index)
            return false
        }
        let restored: ReplicaTable
        do {
            restored = try table.restoring(snapshot.confState, lastIndex: snapshot.index)
        } catch {
            throw .confChange(error)
        }
        log.restore(snapshot)
        _ = try adopt(restored)
        return true
    }

    /// The snapshot is in storage.
    mutating func applied(_ snapshot: Snapshot) throws(RaftError) {
        log.stableSnapshot(at: snapshot.index)
        try applied(through: snapshot.index, bytes: 0)
    }
}
