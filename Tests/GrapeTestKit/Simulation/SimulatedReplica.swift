import GrapeRaft

/// One replica with everything around its core: the disk, the state machine, the clients that wait. Drives the core as
/// a store loop does, with asynchronous storage writes: what must be durable before it is said is said after the sync
/// (RAFT.md, durability 1 to 5).
///
/// Thread safety: none needed, one run lives on one thread.
///
/// Invariants:
/// 1. Every `Ready` is carried out before the durable image changes, and at once after a snapshot was stepped: its
/// image is that of the index it names.
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
    var isTurnScheduled = false

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
        try pushSnapshots(&world)
        try endEvent(&world)
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
        try endEvent(&world)
    }

    /// An event was taken in: what it brings is carried out now, or with that of others in a turn soon.
    func endEvent(_ world: inout World) throws(Violation) {
        if !world.options.batchesTurns { return try carryOut(&world) }
        if isTurnScheduled { return }
        isTurnScheduled = true
        schedule(.turn, after: world.diskRandom.below(300), &world)
    }

    func turn(_ world: inout World) throws(Violation) {
        isTurnScheduled = false
        try carryOut(&world)
    }

    func step(_ message: Message, _ world: inout World) throws(Violation) {
        var message = message
        if world.options.plantedBug == .staleAppendAccepted && message.kind == .append && message.term < term {
            message.term = term
        }
        do throws(RaftError) {
            try raft.step(message)
        } catch {
            try judge(error, "\(message.kind) from \(message.from.rawValue)", &world)
        }
        // A snapshot brings the configuration of its index.
        if message.kind == .snapshot { confState = raft.status.confState }
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
                throw Violation(
                    .monotone,
                    "replica \(id.rawValue): term \(term.rawValue) to \(state.term.rawValue), "
                        + "commit \(commit.rawValue) to \(state.commit.rawValue)")
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
        if commit > oldCommit { try observeCommit(asLeaderBefore: oldRole == .leader ? oldTerm : nil, &world) }
    }

    /// The commit index rose, since the last `Ready` at any time, so perhaps in a role that is over.
    private func observeCommit(asLeaderBefore oldTerm: Term?, _ world: inout World) throws(Violation) {
        if role == .leader && (oldTerm == term || raft.hasCommittedInTerm) {
            try world.checker.decided(commit, by: id, term: term, isOfTerm: raft.hasCommittedInTerm, confState)
        } else if let oldTerm, commit.rawValue > world.checker.decidedCommit {
            try world.checker.decided(commit, by: id, term: oldTerm, isOfTerm: true, confState)
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
}
