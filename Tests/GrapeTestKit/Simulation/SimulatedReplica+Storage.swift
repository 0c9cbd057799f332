import GrapeRaft

/// The two storage threads of a replica: durable writes, and applying.
extension SimulatedReplica {
    // MARK: Append

    func persist(_ message: Message, _ world: inout World) {
        var write = DiskWrite(hardState: message.hardState, entries: message.entries, snapshot: message.snapshot)
        if let snapshot = message.snapshot {
            precondition(stagedImage?.applied == snapshot.index, "no image of the snapshot that the core took")
            write.map = stagedImage
            restoredIndex = snapshot.index
        }
        write.responses = message.responses
        if world.options.plantedBug == .ownUnsyncedAppendCounted {
            forged += write.responses.filter { $0.to == id && $0.kind == .appendResponse }
            write.responses.removeAll { $0.to == id && $0.kind == .appendResponse }
        }
        let needsSync = !message.responses.isEmpty
        disk.write(write)
        if needsSync { beginSync(&world) }
    }

    func beginSync(_ world: inout World) {
        if disk.isSyncing { return }
        disk.beginSync()
        var duration = 100 + world.diskRandom.below(300)
        if world.diskRandom.chance(millionths: world.options.rate(.slowSync)) {
            world.coverage.count(.slowSyncs)
            duration += world.diskRandom.below(30_000)
        }
        schedule(.syncDone, after: duration, &world)
    }

    /// The sync under way is done: tells the checkers, then whoever waited.
    func syncDone(_ world: inout World) throws(Violation) {
        if crashesHere(&world) { return try crash(&world) }
        try carryOut(&world)
        let writes: [DiskWrite]
        do throws(RaftStorageError) {
            writes = try disk.endSync()
        } catch {
            throw Violation(.coreRefused, "replica \(id.rawValue): disk: \(error)")
        }
        for index in writes.indices { try noteDurable(writes[index], &world) }
        try takeInstalled(writes, &world)
        for write in writes {
            for response in write.responses {
                if crashesHere(&world) {
                    world.coverage.count(.crashesBetweenResponses)
                    return try crash(&world)
                }
                if response.kind == .voteResponse && !response.reject {
                    try world.checker.votes(id, for: response.to, term: response.term)
                }
                if response.to == id { try step(response, &world) } else { send(response, &world) }
            }
        }
        try carryOut(&world)
        try compact(&world)
        if disk.hasWaiting && !disk.isSyncing { beginSync(&world) }
    }

    func noteDurable(_ write: DiskWrite, _ world: inout World) throws(Violation) {
        if let snapshot = write.snapshot, let image = write.map {
            try world.checker.installed(snapshot, image.digest, at: position)
        }
        if try world.checker.becameDurable(write.entries, at: position) { world.coverage.count(.suffixesCut) }
    }

    /// A snapshot that is durable becomes the state.
    private func takeInstalled(_ writes: [DiskWrite], _ world: inout World) throws(Violation) {
        for write in writes where write.snapshot != nil {
            guard let image = write.map, image.applied > map.applied else { continue }
            map = image
            world.coverage.count(.snapshotsInstalled)
            serveReads(&world)
        }
    }

    private func compact(_ world: inout World) throws(Violation) {
        guard world.options.rate(.snapshot) > 0 else { return }
        do throws(RaftStorageError) {
            if try disk.compact(keeping: world.options.keptEntries) { world.coverage.count(.compactions) }
        } catch {
            throw Violation(.coreRefused, "replica \(id.rawValue): compaction: \(error)")
        }
    }

    private func crashesHere(_ world: inout World) -> Bool {
        guard world.diskRandom.chance(millionths: world.options.rate(.crashAtStorageCallback)) else { return false }
        world.coverage.count(.crashesAtStorageCallback)
        return true
    }

    func schedule(_ kind: Event.Kind, after duration: Int, _ world: inout World) {
        world.queue.push(
            Event(time: world.now + UInt64(duration), kind: kind, target: position, incarnation: incarnation))
    }

    // MARK: Apply

    func apply(_ message: Message, _ world: inout World) {
        applying.append(message)
        applyNext(&world)
    }

    private func applyNext(_ world: inout World) {
        if isApplying || applying.isEmpty { return }
        isApplying = true
        schedule(.applyDone, after: 20 + world.diskRandom.below(100), &world)
    }

    /// The entries at the head of the queue are applied.
    func applyDone(_ world: inout World) throws(Violation) {
        if crashesHere(&world) { return try crash(&world) }
        // Commits of this turn were decided under the configuration before these entries.
        try carryOut(&world)
        let message = applying.removeFirst()
        isApplying = false
        // A snapshot overtook them: state and configuration already stand behind these entries.
        let isOvertaken = message.entries.last.map { $0.index <= restoredIndex } ?? true
        if !isOvertaken {
            for index in message.entries.indices { try apply(message.entries[index], &world) }
            disk.write(DiskWrite(map: map))
        }
        for response in message.responses { try step(response, &world) }
        try endEvent(&world)
        serveReads(&world)
        applyNext(&world)
    }

    private func apply(_ entry: Entry, _ world: inout World) throws(Violation) {
        if entry.index != map.applied.next {
            throw Violation(
                .appliedOnce, "replica \(id.rawValue) gets \(entry.index.rawValue) after \(map.applied.rawValue)")
        }
        if entry.isConfChange {
            try applyConfChange(entry, &world)
            map.skip(entry)
            try world.checker.applied(entry, map, by: id)
        } else if let command = MapCommand(entry.data) {
            let effect = map.apply(
                command, entry, forgetsDuplicates: world.options.plantedBug == .duplicateApplied)
            try world.checker.applied(entry, map, by: id)
            try answer(command, effect, entry, &world)
        } else {
            map.skip(entry)
            try world.checker.applied(entry, map, by: id)
        }
    }

    private func applyConfChange(_ entry: Entry, _ world: inout World) throws(Violation) {
        let old = confState
        guard let change = try? ConfChange(decoding: entry) else {
            throw Violation(.coreRefused, "a configuration change at \(entry.index.rawValue) cannot be read")
        }
        do throws(RaftError) {
            confState = try raft.applyConfChange(change)
            map.confState = confState
            countConfChange(from: old, &world)
        } catch .confChange {
            // The same on every replica: the entry counts as empty.
        } catch {
            try judge(error, "applying a configuration change", &world)
        }
    }

    /// Counted where the leader applies it, so that each change counts about once.
    private func countConfChange(from old: ConfState, _ world: inout World) {
        if role != .leader || old == confState { return }
        if confState.learners.count > old.learners.count { world.coverage.count(.learnersAdded) }
        if confState.voters != old.voters { world.coverage.count(.votersChanged) }
        if old.votersOutgoing.isEmpty && !confState.votersOutgoing.isEmpty { world.coverage.count(.jointEntered) }
        if !old.votersOutgoing.isEmpty && confState.votersOutgoing.isEmpty { world.coverage.count(.jointLeft) }
    }
}
