import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// What the threads of syncs and of apply do in production.
extension NodeRun {
    // MARK: Syncs

    func requestSync(_ request: SyncRequest) {
        guard syncing == nil else {
            world.coverage.count(.syncsJoined)
            if nextSync?.join(request) == nil { nextSync = request }
            return
        }
        beginSync(request)
    }

    private func beginSync(_ request: SyncRequest) {
        syncing = request
        let isSlow = world.strikes(.slowSync)
        if isSlow { world.coverage.count(.slowSyncs) }
        // The disk is as far at the end as it was at the beginning, or as what was written meanwhile.
        isSyncedAhead = world.diskRandom.below(2) == 0
        if isSyncedAhead, world.options.plantedBug != .saidBeforeSync { sync(always: !request.drops.isEmpty) }
        plan(.syncDone, within: isSlow ? 5_000...60_000 : 50...1_500)
    }

    func sync(always: Bool) {
        if world.options.plantedBug == .syncSkipped { return }
        do throws(StorageError) {
            try database.syncLog(always: always)
        } catch {
            world.note(.storage, "node \(number) does not sync: \(error)")
        }
    }

    func syncDone() {
        guard let request = syncing else { return }
        syncing = nil
        if strikesAtStorage(.crashesAtSync) { return }
        if world.options.plantedBug == .saidBeforeSync, request.drops.isEmpty {
            syncLater()
        } else if !isSyncedAhead {
            sync(always: !request.drops.isEmpty)
        }
        if strikesAtStorage(.crashesAtSync) { return }
        node.promise(request.promises, sync: request.holdsVote)
        happen { () throws(StorageError) in
            for group in request.drops.keys.sorted(by: { $0.number < $1.number }) {
                self.world.coverage.count(.compactions)
                guard let index = request.drops[group] else { continue }
                do throws(StorageError) {
                    try self.onStorage(.crashesAtDrop) { () throws(StorageError) in
                        try ReplicaRows.dropLog(of: group, through: index, self.database)
                    }
                } catch {
                    guard error.isWriteStop else { throw error }
                }
            }
            self.loop.synced(through: request.ticket)
        }
        guard !isCrashing, let next = nextSync else { return }
        nextSync = nil
        if syncing == nil { beginSync(next) } else { syncing?.join(next) }
    }

    // MARK: Apply

    func apply(_ work: ApplyWork) {
        works.append(work)
        planApply()
    }

    private func planApply() {
        guard !isApplying, !works.isEmpty else { return }
        isApplying = true
        plan(.applyDone, within: 20...800)
    }

    func applyDone() {
        isApplying = false
        if strikesAtStorage(.crashesAtApply) { return }
        happen { () throws(StorageError) in try self.carryOutWorks() }
        if !isCrashing, !strikesAtStorage(.crashesAtApply) { planApply() }
    }

    /// Some works that wait: entries together, a switch alone, as the thread takes them.
    private func carryOutWorks() throws(StorageError) {
        guard let first = works.first else { return }
        guard case .entries = first else {
            try install(first)
            works.removeFirst()
            return
        }
        let possible = works.prefix { if case .entries = $0 { true } else { false } }.count
        let taken = Array(works.prefix(1 + world.timing.below(possible)))
        var entries: [CommittedEntry] = []
        for case .entries(_, _, let own) in taken { entries += own }
        var outcomes: ArraySlice<ApplyOutcome>
        do {
            outcomes = try engine.apply(planting(entries))[...]
        } catch {
            if case .storage(let storage) = error, storage.isWriteStop { return }
            return world.note(.coreRefused, "node \(number) can't apply: \(error)")
        }
        works.removeFirst(taken.count)
        for case .entries(let group, let replica, let own) in taken {
            check(own)
            loop.applied(group, replica: replica, own, Array(outcomes.prefix(own.count)))
            outcomes = outcomes.dropFirst(own.count)
        }
    }

    private func planting(_ entries: [CommittedEntry]) -> [CommittedEntry] {
        guard world.options.plantedBug == .applyDiffers, number.rawValue == 1, entries.count > 1 else { return entries }
        return entries.map { entry in
            guard entry.index.rawValue % 50 == 0, case .shard = entry.group else { return entry }
            return CommittedEntry(group: entry.group, index: entry.index, term: entry.term, content: .empty)
        }
    }

    private func install(_ work: ApplyWork) throws(StorageError) {
        guard case .install(let image, let replica, let hardState) = work else { return }
        try onStorage(.crashesAtInstall) { () throws(StorageError) in
            var batch = try database.makeBatch()
            ReplicaRows.renew(image, hardState, into: &batch)
            try database.write(batch, sync: true)
        }
        world.coverage.count(.snapshotsInstalled)
        do throws(GrapeError) {
            if case .catalog = image.group { world.coverage.count(.snapshotsOfCatalog) }
            try engine.adopt(image.group, image.state, catalog: image.catalog)
        } catch {
            world.note(.storage, "node \(number) does not take a snapshot: \(error)")
        }
        checkState(of: image.group)
        loop.installed(image.group, replica: replica)
    }

    /// The disk has next to no space, until the run's faults give it some.
    func fillDisk() {
        guard node.freeBytes > 1 << 20 else { return }
        world.coverage.count(.fullDisks)
        node.freeBytes = 10_000
        _ = database.checkSpace()
    }

    // MARK: Checks

    private func check(_ entries: [CommittedEntry]) {
        guard let last = entries.last else { return }
        for entry in entries {
            world.checking { () throws(Violation) in
                try world.checker.applied(entry, on: number)
                guard case .configuration(let bytes) = entry.content, let confState = ConfState(encoded: bytes) else {
                    return
                }
                if !confState.votersOutgoing.isEmpty { world.coverage.count(.jointEntered) }
                try world.checker.configuration(confState, of: entry.group, replicaCount: world.options.replicaCount)
            }
            world.trace.mix(UInt64(entry.group.number) << 48 ^ entry.index.rawValue << 8 ^ entry.term)
        }
        if last.index.rawValue % 4 == 0 { checkState(of: last.group) }
    }

    /// All that is known of a group is the same wherever it is applied so far.
    func checkState(of group: LogGroup) {
        do {
            guard let copy = try ShardCopy(of: group, in: database) else { return }
            world.trace.mix(copy.hash)
            try world.checker.state(copy, on: number)
        } catch let violation as Violation {
            world.violation = world.violation ?? violation
        } catch {
            world.note(.storage, "node \(number): \(error)")
        }
    }

    /// A search finds just the points that the rows of served shards speak of, as they are.
    func checkIndexes() {
        do throws(GrapeError) {
            for collection in engine.collections {
                let request = SearchRequest(vector: [1, 1], limit: 1_000, withVector: true)
                let found = try engine.search(request, in: collection)
                let count = try engine.pointCount(collection.schema.id)
                if found.count != count || Set(found.map(\.id)).count != count {
                    world.note(.appliedStateDiffers, "node \(number): \(found.count) points found of \(count)")
                }
                for point in found {
                    let row = try engine.point(point.id.id, in: collection)
                    if row?.payload != point.payload || row?.vectors != point.vectors {
                        world.note(.appliedStateDiffers, "node \(number): \(point.id) is found as it is not")
                    }
                }
            }
        } catch {
            world.note(.storage, "node \(number) can't search: \(error)")
        }
    }
}
