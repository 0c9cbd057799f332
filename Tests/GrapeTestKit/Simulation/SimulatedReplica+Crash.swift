import GrapeRaft

/// How a replica's process ends, and how it comes back.
extension SimulatedReplica {
    /// Loses everything but the disk, and of the disk a tail of what was not synced.
    func crash(_ world: inout World) throws(Violation) {
        world.coverage.count(.crashes)
        if role == .leader { world.coverage.count(.leaderCrashes) }
        world.coverage.count(.snapshotsAborted, outgoing.count)
        let survivors = survivingWrites(&world)
        let kept: [DiskWrite]
        do throws(RaftStorageError) {
            kept = try disk.crash(keeping: survivors)
        } catch {
            throw Violation(.coreRefused, "replica \(id.rawValue): disk at crash: \(error)")
        }
        for index in kept.indices { try noteDurable(kept[index], &world) }
        life = .crashed
        forget()
    }

    /// How many of the unsynced writes reached the disk all the same.
    private func survivingWrites(_ world: inout World) -> Int {
        let unsynced = disk.unsynced
        guard unsynced > 0 && world.diskRandom.chance(millionths: world.options.rate(.lostWrites)) else {
            return unsynced
        }
        let survivors = world.diskRandom.below(unsynced + 1)
        if survivors < unsynced {
            world.coverage.count(.writesLost, unsynced - survivors)
            // The write after the survivors was cut in the middle: its checksum is wrong, recovery ends before it.
            if world.diskRandom.chance(millionths: world.options.rate(.tornWrites)) { world.coverage.count(.tornTails) }
        }
        return survivors
    }

    /// This copy ends for good.
    func drop() {
        life = .dropped
        forget()
    }

    /// Memory is gone.
    private func forget() {
        incarnation += 1
        role = .follower
        leader = .none
        applying = []
        isApplying = false
        isTurnScheduled = false
        restoredIndex = .zero
        stagedImage = nil
        writes = []
        reads = ReadRounds()
        outgoing = []
        forged = []
    }

    func restart(_ world: inout World) throws(Violation) {
        world.coverage.count(.restarts)
        life = .running
        map = disk.map
        confState = map.confState
        do throws(RaftError) {
            raft = try Raft(
                world.options.raftConfiguration(id, applied: map.applied), storage: disk.log,
                random: RaftRandom(seed: world.raftSeeds.next()))
        } catch {
            throw Violation(.coreRefused, "replica \(id.rawValue) does not restart: \(error)")
        }
        term = disk.log.hardState.term
        commit = max(disk.log.hardState.commit, map.applied)
    }
}
