import GrapeEngine
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
            guard
                let base = driver.compactionTarget(
                    settings, appliedElsewhere: appliedElsewhere[driver.group])
            else { continue }
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

extension StoreLoop {
    /// How far each shard is applied on all other nodes that have it, as far as that is known.
    package func noteAppliedElsewhere(_ applied: [LogGroup: RaftIndex]) { appliedElsewhere = applied }
}

extension ReplicaDriver {
    /// The last entry that may go: behind what is applied here and what followers still need, some entries kept for
    /// those who come late. What exceeds the bound in bytes goes all the same: a follower behind it gets a snapshot.
    /// nil while it is not worth a write.
    ///
    /// What all have applied goes soon, here as on the leader: entries that are dropped while they lie in a memtable
    /// are never written to a table file.
    func compactionTarget(_ settings: StoreLoopSettings, appliedElsewhere: RaftIndex?) -> EntryID? {
        let applied = appliedIndex.rawValue
        var target = applied - min(applied, UInt64(keptEntries(settings)))
        if let elsewhere = appliedElsewhere?.rawValue {
            target = min(max(target, store.indexBehind(bytes: settings.sparedBytes).rawValue), elsewhere, applied)
        }
        for peer in raft.glance.role == .leader ? raft.status.progress : [] where peer.id != id {
            target = min(target, peer.progress.match.rawValue)
        }
        target = max(target, min(applied, store.indexBehind(bytes: settings.logBytesMax).rawValue))
        guard isWorthAWrite(target, settings), let term = try? store.term(at: RaftIndex(target)) else { return nil }
        return EntryID(term: term, index: RaftIndex(target))
    }

    private func isWorthAWrite(_ target: UInt64, _ settings: StoreLoopSettings) -> Bool {
        let base = store.base.index.rawValue
        guard target > base else { return false }
        return target - base >= UInt64(settings.compactionStep)
            || store.bytes(through: RaftIndex(target)) >= settings.sparedBytes
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
