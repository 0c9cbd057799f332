import GrapeRaft

/// Writes and reads that clients bring to a replica.
extension SimulatedReplica {
    func request(_ command: MapCommand, _ world: inout World) throws(Violation) {
        if command.kind == .read {
            reads.waiting.append(.init(command: command, arrivedTick: ticks))
            if reads.waiting.count > 64 { reads.waiting.removeFirst() }
            return try startReadRound(&world)
        }
        if let outcome = map.storedOutcome(command) {
            world.coverage.count(.duplicatesAnsweredFromMemory)
            return reply(command.client, command.sequence, .outcome(outcome), &world)
        }
        if role != .leader && (leader == .none || !world.options.forwardsProposals) {
            return reply(command.client, command.sequence, .notLeader(leader), &world)
        }
        do throws(RaftError) {
            try raft.propose(command.encoded)
        } catch {
            try judge(error, "proposal", &world)
            return reply(command.client, command.sequence, .notLeader(.none), &world)
        }
        if !writes.contains(where: { $0.client == command.client && $0.sequence == command.sequence }) {
            writes.append((command.client, command.sequence))
        }
        if writes.count > 64 { writes.removeFirst() }
    }

    /// A command was applied here: tells its client, if it waits here.
    func answer(
        _ command: MapCommand, _ effect: ReplicatedMap.Effect, _ entry: Entry, _ world: inout World
    ) throws(Violation) {
        let place = writes.firstIndex { $0.client == command.client && $0.sequence == command.sequence }
        if let place { writes.remove(at: place) }
        switch effect {
        case .stale:
            world.coverage.count(.staleCommandsRefused)
        case .duplicate(let outcome):
            world.coverage.count(.duplicatesFoundAtApply)
            if place != nil { reply(command.client, command.sequence, .outcome(outcome), &world) }
        case .done(let outcome):
            guard place != nil else { return }
            try world.checker.acknowledged(command.encoded, at: entry.index.rawValue)
            reply(command.client, command.sequence, .outcome(outcome), &world)
        }
    }

    private func reply(_ client: UInt16, _ sequence: UInt32, _ answer: Reply.Answer, _ world: inout World) {
        world.send(
            .reply(Reply(client: client, sequence: sequence, answer: answer)), from: position,
            to: World.replicasMax + Int(client))
    }

    // MARK: Reads (RAFT.md 11)

    /// All reads that wait go into one round, if none is under way.
    private func startReadRound(_ world: inout World) throws(Violation) {
        if reads.round != nil || reads.waiting.isEmpty { return }
        if world.options.plantedBug == .readBeforeFirstCommit && role == .leader && !raft.hasCommittedInTerm {
            reads.confirmed.append((raft.status.commit, reads.waiting))
            reads.waiting = []
            return serveReads(&world)
        }
        if reads.waiting.count > 1 { world.coverage.count(.readsBatched) }
        reads.contexts += 1
        let context = ReadContext(id.rawValue << 48 | UInt64(incarnation) << 32 | reads.contexts)
        reads.round = .init(context: context, reads: reads.waiting, startedTick: ticks, leader: leader)
        reads.waiting = []
        do throws(RaftError) {
            try raft.readIndex(context)
        } catch {
            // No leader: the round is asked again at the next heartbeat.
            try judge(error, "read", &world)
        }
    }

    /// A round that got no answer goes out anew under another context, together with those who came since.
    func retryReads(_ world: inout World) throws(Violation) {
        guard let round = reads.round else { return try startReadRound(&world) }
        if ticks - round.startedTick < 3 * world.options.heartbeatTicks { return }
        world.coverage.count(.readRoundsRetried)
        if leader != round.leader && leader != .none { world.coverage.count(.readsRetriedAtNewLeader) }
        reads.waiting = (round.reads + reads.waiting).filter { ticks - $0.arrivedTick < ReadRounds.deadlineTicks }
        if reads.waiting.count > 64 { reads.waiting.removeFirst(reads.waiting.count - 64) }
        reads.round = nil
        try startReadRound(&world)
    }

    func confirm(_ state: ReadState, _ world: inout World) throws(Violation) {
        guard let round = reads.round, round.context == state.context else { return }
        reads.confirmed.append((state.index, round.reads))
        reads.round = nil
        serveReads(&world)
        try startReadRound(&world)
    }

    /// Answers the reads whose index is applied.
    func serveReads(_ world: inout World) {
        while let first = reads.confirmed.first, first.index <= map.applied {
            for command in first.reads.map(\.command) {
                if role != .leader { world.coverage.count(.readsServedByFollower) }
                reply(command.client, command.sequence, .value(map.values[Int(command.key)]), &world)
            }
            reads.confirmed.removeFirst()
        }
    }
}

/// The reads of one replica: waiting, in the one round under way, or waiting for their index to be applied.
///
/// Invariant: a round that was sent takes no more readers.
struct ReadRounds {
    /// Then a reader is told nothing any more: its client has long asked elsewhere.
    static let deadlineTicks = 100

    struct WaitingRead {
        var command: MapCommand
        var arrivedTick: Int
    }

    struct Round {
        var context: ReadContext
        var reads: [WaitingRead]
        var startedTick: Int
        var leader: ReplicaID
    }

    var waiting: [WaitingRead] = []
    var round: Round?
    var confirmed: [(index: LogIndex, reads: [WaitingRead])] = []
    /// Contexts used in this life.
    var contexts: UInt64 = 0
}
