import CVectorKernels
import Synchronization

/// How far the removal of dead points has come.
struct SweepProgress {
    /// Dead for every pin, still linked. Unlinked when no insert runs that began before `doomedAt`.
    var doomed: [UInt32] = []
    var doomedAt = Stamp(rawValue: 0)
    /// Unlinked. Freed when no walk runs that began before the stamp.
    var retired: [(at: Stamp, ordinals: [UInt32])] = []
}

extension CollectionIndex {
    /// Takes dead points out of tail and graph and frees their ordinals; returns how many it has freed. One thread at a
    /// time does the work, others return at once. It never waits: what a pin still holds is left for a later call. Must
    /// not be called inside `VisibilityClock.publish`.
    ///
    /// 1. Points dead for every pin become doomed: inserts that begin from now on do not link to them.
    /// 2. When all inserts that began before are done, the doomed are unlinked; no walk that begins from now on meets
    ///    them.
    /// 3. When all walks that began before are done, the ordinals are freed.
    ///
    /// What "began before" means is settled by a stamp published for the purpose, and the pins that inserts, walks and
    /// checkpoints hold. The graph is swept when enough of it is dead (`IndexLimits.sweepShare`), unless `thorough`.
    @discardableResult
    package func sweep(thorough: Bool = false) -> Int {
        sweeping.withLockIfAvailable { progress in
            if progress.doomed.isEmpty { doom(&progress, thorough: thorough) }  // 1
            if !progress.doomed.isEmpty, progress.doomedAt <= clock.oldestPin { unlink(&progress) }  // 2
            return free(&progress)  // 3
        } ?? 0
    }

    private func doom(_ progress: inout SweepProgress, thorough: Bool) {
        let points = arena.view
        let oldest = clock.oldestPin.rawValue
        dropFromTail(oldest: oldest)
        retire(dropped.withLock { take(&$0) }, &progress)
        let doomed = dead.withLock { dead -> [UInt32] in
            dead.removeAll { points.location($0) == .retired || points.location($0) == .free }
            let ready = dead.filter { points.location($0) == .graph && points.death($0) <= oldest }
            guard ready.count > 0, thorough || ready.count >= graph.count / IndexLimits.sweepShare else { return [] }
            for ordinal in ready { points.setLocation(ordinal, .doomed) }
            dead.removeAll { points.location($0) == .doomed }
            return ready
        }
        guard !doomed.isEmpty else { return }
        progress.doomed = doomed
        progress.doomedAt = clock.publish { $0 }
    }

    /// Clears the slots of dead points that no index thread has claimed.
    private func dropFromTail(oldest: UInt64) {
        let points = arena.view
        let isWaiting = dead.withLock { $0.contains { points.location($0) == .tail && points.death($0) <= oldest } }
        guard isWaiting else { return }
        let removed = tail.removeAll { points.isDead($0) && points.death($0) <= oldest }
        for ordinal in removed { points.setLocation(ordinal, .retired) }
        dropped.withLock { $0.append(contentsOf: removed) }
    }

    private func unlink(_ progress: inout SweepProgress) {
        let doomed = take(&progress.doomed)
        SearchScratch.with { scratch in graph.unlink(doomed, scratch: scratch) }
        for ordinal in doomed {
            arena.view.setLocation(ordinal, .retired)
            arena.view.markDirty(ordinal)
        }
        retire(doomed, &progress)
    }

    private func retire(_ ordinals: [UInt32], _ progress: inout SweepProgress) {
        guard !ordinals.isEmpty else { return }
        progress.retired.append((at: clock.publish { $0 }, ordinals: ordinals))
        countSwept(ordinals.count)
    }

    private func free(_ progress: inout SweepProgress) -> Int {
        let oldest = clock.oldestPin
        var freed = 0
        // In order of their stamps.
        while let group = progress.retired.first, group.at <= oldest {
            progress.retired.removeFirst()
            for ordinal in group.ordinals { graph.freeUpperLinks(of: ordinal) }
            forget(group.ordinals)
            arena.free(group.ordinals)
            deadCount.wrappingSubtract(group.ordinals.count, ordering: .relaxed)
            freed += group.ordinals.count
        }
        return freed
    }

    /// A dead point may still be in the list of the dead; its ordinal must not come back while it is.
    private func forget(_ ordinals: [UInt32]) {
        let points = arena.view
        dead.withLock { dead in
            guard !dead.isEmpty else { return }
            dead.removeAll { points.location($0) == .retired }
        }
        keys.free(ordinals)
    }

    private func take(_ list: inout [UInt32]) -> [UInt32] {
        defer { list = [] }
        return list
    }
}
