import GrapeRaft

/// One replica with everything around its core: the disk, the state machine, the clients that wait. Drives the core as a
/// store loop does, with asynchronous storage writes: what must be durable before it is said is said after the sync
/// (RAFT.md, durability 1 to 5).
///
/// Thread safety: none needed, one run lives on one thread.
///
/// Invariants:
/// 1. Every `Ready` is carried out before the next event.
/// 2. A crash keeps `disk` and `incoming` (files) and nothing else.
/// 3. `map.applied` never falls while the replica runs; after a restart it is the durable one.
final class SimulatedReplica {
    enum Life { case running, crashed, dropped }

    let id: ReplicaID
    var position: Int { Int(id.rawValue) - 1 }
    var life = Life.running
    /// Which life this is. Events of earlier ones are ignored.
    var incarnation: UInt32 = 0
    var clock = SimulatedClock()

    // Survives a crash.
    var disk: SimulatedDisk
    var incoming: IncomingSnapshot?

    // What the core last said of itself.
    var raft: Raft<MemoryStorage>
    var role = Role.follower
    var leader = ReplicaID.none
    var term: Term
    var commit: LogIndex
    var confState: ConfState
    var ticks = 0

    // Apply.
    var map: ReplicatedMap
    var applying: [Message] = []
    var isApplying = false
    /// The newest snapshot that the core took. Entries up to there are not applied any more.
    var restoredIndex = LogIndex.zero
    /// Received whole, waiting until it is durable.
    var stagedImage: ReplicatedMap?

    // Waiting clients.
    var writes: [(client: UInt16, sequence: UInt32)] = []
    var reads = ReadRounds()

    var outgoing: [OutgoingSnapshot] = []
    /// Answers that a planted bug makes up, stepped after the `Ready` is carried out.
    var forged: [Message] = []

    init(_ id: ReplicaID, founders: ConfState?, _ world: inout World) throws(Violation) {
        self.id = id
        let options = world.options
        let empty = ReplicatedMap(keys: options.keys, clients: options.clients, window: options.window)
        disk = SimulatedDisk(emptyMap: empty, forgetsVote: options.plantedBug == .voteNotPersisted)
        do {
            if let founders { try disk.found(founders) }
            map = disk.map
            confState = map.confState
            raft = try Raft(
                options.raftConfiguration(id, applied: map.applied), storage: disk.log,
                random: RaftRandom(seed: world.raftSeeds.next()))
            term = disk.log.hardState.term
            commit = disk.log.hardState.commit
        } catch {
            throw Violation(.coreRefused, "replica \(id.rawValue) does not start: \(error)")
        }
        world.checker.addReplica(founder: founders != nil)
    }

    // MARK: Events

    func tick(_ world: inout World) throws(Violation) {
        ticks += 1
        raft.tick()
        try retryReads(&world)
        try carryOut(&world)
        try pushSnapshots(&world)
        // What needs no sync of its own goes with the next one, but not never.
        if ticks % 16 == 0 && disk.hasWaiting { beginSync(&world) }
    }

    func receive(_ envelope: Envelope, _ world: inout World) throws(Violation) {
        switch envelope {
        case .raft(let message): try step(message, &world)
        case .request(let command): try request(command, &world)
        case .chunk(let chunk): try receive(chunk, &world)
        case .chunkReceived(let receipt): try receive(receipt, &world)
        case .reply: preconditionFailure("a reply came to a replica")
        }
        try carryOut(&world)
    }

    func step(_ message: Message, _ world: inout World) throws(Violation) {
        var message = message
        if world.options.plantedBug == .staleAppendAccepted && message.kind == .append && message.term < term {
            message.term = term
        }
        let position = message.kind == .snapshot ? message.snapshot?.index : nil
        do throws(RaftError) {
            try raft.step(message)
        } catch {
            try judge(error, "\(message.kind) from \(message.from.rawValue)", &world)
        }
        if position != nil && raft.stopReason == nil { confState = raft.status.confState }
    }

    /// Refusals that happen in the life of a correct cluster, and those that do not.
    func judge(_ error: RaftError, _ what: String, _ world: inout World) throws(Violation) {
        switch error {
        case .proposalDropped: world.coverage.count(.proposalsDropped)
        case .peerNotFound: break
        default: throw Violation(.coreRefused, "replica \(id.rawValue), \(what): \(error)")
        }
    }

    // MARK: Ready

    /// Does what the core asks for, until it asks for nothing.
    func carryOut(_ world: inout World) throws(Violation) {
        while true {
            while raft.hasReady {
                let ready = raft.ready()
                try observe(ready, &world)
                for index in ready.messages.indices { try handle(ready.messages[index], &world) }
                for index in ready.readStates.indices { try confirm(ready.readStates[index], &world) }
            }
            if let reason = raft.stopReason {
                throw Violation(.coreRefused, "replica \(id.rawValue) stopped: \(reason)")
            }
            if forged.isEmpty { return }
            let messages = forged
            forged = []
            for message in messages { try step(message, &world) }
        }
    }

    private func observe(_ ready: Ready, _ world: inout World) throws(Violation) {
        let (oldRole, oldTerm, oldCommit) = (role, term, commit)
        if let state = ready.hardState {
            if state.term < term || state.commit < commit {
                throw Violation(.monotone, "replica \(id.rawValue): term \(term) to \(state.term), commit \(commit.rawValue) to \(state.commit.rawValue)")
            }
            term = state.term
            commit = state.commit
        }
        if let state = ready.softState {
            role = state.role
            leader = state.leader
        }
        if role == .leader && (oldRole != .leader || oldTerm != term) {
            try world.checker.leads(id, term: term, lastIndex: raft.status.lastIndex)
            world.coverage.count(.elections)
            if !confState.votersOutgoing.isEmpty { world.coverage.count(.leaderChangesInJoint) }
        }
        if oldRole == .leader && role != .leader {
            world.coverage.count(.leaderChanges)
            if oldTerm == term { world.coverage.count(.leadersDeposedWithoutElection) }
        }
        if commit == oldCommit { return }
        if role == .leader && oldRole == .leader {
            try world.checker.decided(
                commit, by: id, term: term, isOfTerm: raft.hasCommittedInTerm, confState)
        } else {
            try world.checker.follows(commit, id)
        }
    }

    private func handle(_ message: Message, _ world: inout World) throws(Violation) {
        switch message.to {
        case .appendThread: persist(message, &world)
        case .applyThread: apply(message, &world)
        default: send(message, &world)
        }
    }

    func send(_ message: Message, _ world: inout World) {
        if message.kind == .snapshot {
            beginSnapshot(message, &world)
            return
        }
        var message = message
        switch world.options.plantedBug {
        case .jointMajorityIgnored?:
            if forge(message) { return }
        case .oldTermEntryCommitted?:
            announceOldTerms(&message)
        default: break
        }
        world.send(.raft(message), from: position, to: Int(message.to.rawValue) - 1)
    }

    // MARK: Crash and restart

    /// Loses everything but the disk, and of the disk a tail of what was not synced.
    func crash(_ world: inout World) throws(Violation) {
        world.coverage.count(.crashes)
        if role == .leader { world.coverage.count(.leaderCrashes) }
        var survivors = disk.unsynced
        if survivors > 0 && world.diskRandom.chance(millionths: world.options.rate(.lostWrites)) {
            survivors = world.diskRandom.below(survivors + 1)
            if survivors < disk.unsynced {
                world.coverage.count(.writesLost, disk.unsynced - survivors)
                // The write after the survivors was cut in the middle: its checksum is wrong, recovery ends before it.
                if world.diskRandom.chance(millionths: world.options.rate(.tornWrites)) { world.coverage.count(.tornTails) }
            }
        }
        do {
            let kept = try disk.crash(keeping: survivors)
            for index in kept.indices { try noteDurable(kept[index], &world) }
        } catch let error as RaftStorageError {
            throw Violation(.coreRefused, "replica \(id.rawValue): disk at crash: \(error)")
        } catch let violation as Violation {
            throw violation
        } catch {
            preconditionFailure("\(error)")
        }
        world.coverage.count(.snapshotsAborted, outgoing.count)
        life = .crashed
        forget()
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
        do {
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
