import GrapeRaft
import GrapeStorage

/// The log's beginning goes when nobody needs it (RAFT.md 5, 18, 21).
extension StoreLoop {
    /// Moves the beginning of logs that have grown. The entries themselves go after the sync that follows: then the new
    /// beginning, and everything that was applied, is on the disk.
    ///
    /// Also on a full disk: this gives space back.
    func compactLogs() throws(StorageError) {
        var batch = try environment.database.makeBatch()
        var moved: [(ReplicaDriver, EntryID)] = []
        for driver in replicas where driver.isRunning {
            guard let base = driver.compactionTarget(settings) else { continue }
            driver.store.putBase(base, into: &batch)
            moved.append((driver, base))
        }
        guard !moved.isEmpty else { return }
        do {
            try environment.write(batch)
        } catch {
            guard error.isWriteStop else { throw error }
            return
        }
        nextSync.ticket += 1
        for (driver, base) in moved {
            driver.store.noteBase(base)
            nextSync.drops[driver.group] = base.index
        }
    }
}

extension ReplicaDriver {
    /// The last entry that may go: behind what is applied here and what followers still need, some entries kept for
    /// those who come late. What exceeds the bound in bytes goes all the same: a follower behind it gets a snapshot.
    /// nil while it is not worth a write.
    func compactionTarget(_ settings: StoreLoopSettings) -> EntryID? {
        let applied = appliedIndex.rawValue
        var target = applied - min(applied, UInt64(keptEntries(settings)))
        for peer in raft.glance.role == .leader ? raft.status.progress : [] where peer.id != id {
            target = min(target, peer.progress.match.rawValue)
        }
        target = max(target, min(applied, store.indexBehind(bytes: settings.logBytesMax).rawValue))
        guard target >= store.base.index.rawValue + UInt64(settings.compactionStep),
            let term = try? store.term(at: RaftIndex(target))
        else { return nil }
        return EntryID(term: term, index: RaftIndex(target))
    }

    /// Where there are no followers nobody comes late.
    private func keptEntries(_ settings: StoreLoopSettings) -> Int {
        let isAlone = store.confState.voters == [id] && store.confState.learners.isEmpty
        return isAlone ? min(settings.keptEntries, settings.compactionStep) : settings.keptEntries
    }

    /// The voter that can lead at once: it has everything, and was heard of lately.
    var successor: ReplicaID? {
        guard raft.glance.role == .leader, raft.hasCommittedInTerm else { return nil }
        let status = raft.status
        let able = status.progress.filter { peer in
            peer.id != id && !peer.progress.isLearner && peer.progress.isRecentlyActive
                && peer.progress.state == .replicate && status.confState.voters.contains(peer.id)
        }
        return able.max { ($0.progress.match, $1.id) < ($1.progress.match, $0.id) }?.id
    }
}
