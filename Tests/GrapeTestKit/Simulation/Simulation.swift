import GrapeRaft

/// One run of a whole cluster, made of a seed: replicas, clients, an operator who changes the membership, and a world
/// that goes wrong. A safety phase under faults, then a liveness phase in which a majority is healed and must answer
/// everything. Checkers watch all along.
///
/// The same options give the same run, event by event, on every machine and in every process: `Report.trace` tells.
package final class Simulation {
    package struct Report: Sendable {
        package var events = 0
        package var operations = 0
        package var trace: UInt64 = 0
        package var coverage = Coverage()

        package init() {}

        package mutating func add(_ other: Report) {
            events += other.events
            operations += other.operations
            coverage.add(other.coverage)
        }
    }

    var world: World
    var replicas: [SimulatedReplica] = []
    var clients: [SimulatedClient]
    var history: ClientHistory
    var faultRandom: Xoshiro256
    var membershipRandom: Xoshiro256
    var plan: MembershipPlan?
    /// The last changes proposed: they may be in some log.
    var lateChanges: [ConfChange] = []
    /// Leadership is on its way there, until then.
    var transferTarget: ReplicaID?
    var transferEnd: UInt64 = 0
    /// Replicas seen in an applied configuration: removed for good once they are in none.
    var everMembers: [Bool] = []
    private var events = 0
    private let options: SimulationOptions

    package init(_ options: SimulationOptions) {
        self.options = options
        world = World(options)
        clients = (0..<options.clients).map { SimulatedClient($0, options) }
        history = ClientHistory(keys: options.keys)
        faultRandom = Xoshiro256(seed: options.seed, stream: 5)
        membershipRandom = Xoshiro256(seed: options.seed, stream: 6)
    }

    /// Runs to the end, or to the first violation.
    package func run() throws(SimulationFailure) -> Report {
        do {
            try found()
            try safetyPhase()
            try livenessPhase()
            try history.check()
        } catch {
            throw SimulationFailure(
                violation: error, options: options, event: events, tick: world.now / 1_000)
        }
        var report = Report()
        report.events = events
        report.operations = history.count
        report.trace = world.trace.value
        report.coverage = world.coverage
        return report
    }

    private func found() throws(Violation) {
        let founders = ConfState(voters: (1...options.voters).map { ReplicaID(UInt64($0)) })
        for id in founders.voters { try addReplica(id, founders) }
        for client in clients.indices {
            world.queue.push(Event(time: UInt64(client) * 100, kind: .clientWake, target: client))
        }
        world.queue.push(Event(time: 1_000, kind: .faults, target: 0))
        world.queue.push(Event(time: 5_000, kind: .membership, target: 0))
    }

    func addReplica(_ id: ReplicaID, _ founders: ConfState?) throws(Violation) {
        let replica = try SimulatedReplica(id, founders: founders, &world)
        replicas.append(replica)
        everMembers.append(founders != nil)
        world.queue.push(
            Event(time: world.now + 500 + UInt64(faultRandom.below(500)), kind: .tick, target: replica.position))
    }

    private func safetyPhase() throws(Violation) {
        while events < options.events { try nextEvent() }
    }

    // MARK: Events

    func nextEvent() throws(Violation) {
        guard let event = world.queue.pop() else { preconditionFailure("no event is left: ticks never end") }
        world.now = event.time
        events += 1
        world.trace.mix(event.time << 16 ^ UInt64(event.kind.rawValue) << 8 ^ UInt64(bitPattern: Int64(event.target)))
        let target = Int(event.target)
        switch event.kind {
        case .clientWake: clients[target].wake(events, places, &history, &world)
        case .clientReply:
            guard case .reply(let reply) = world.envelopes.remove(event.payload) else { return }
            clients[target].receive(reply, events, &history, &world)
        case .faults: try faultStep()
        case .membership: try membershipStep()
        case .restart: try restart(replicas[target], event.incarnation)
        case .tick, .deliver, .turn, .syncDone, .applyDone: try happen(event, to: replicas[target])
        }
    }

    private func happen(_ event: Event, to replica: SimulatedReplica) throws(Violation) {
        if replica.life == .running && replica.clock.pausedUntil > event.time {
            var later = event
            later.time = replica.clock.pausedUntil
            return world.queue.push(later)
        }
        let wasRunning = replica.life == .running
        switch event.kind {
        case .tick:
            if replica.life == .dropped { return }
            if replica.life == .running { try replica.tick(&world) }
            world.queue.push(Event(time: world.now + replica.clock.tickInterval, kind: .tick, target: replica.position))
        case .deliver:
            let envelope = world.envelopes.remove(event.payload)
            if replica.life != .running { return }
            trace(envelope)
            try replica.receive(envelope, &world)
        case .turn, .syncDone, .applyDone:
            if replica.life != .running || replica.incarnation != event.incarnation { return }
            try finish(event.kind, replica)
        default: preconditionFailure("\(event.kind) is no event of a replica")
        }
        if replica.life == .crashed && wasRunning { scheduleRestart(replica) }
    }

    private func finish(_ kind: Event.Kind, _ replica: SimulatedReplica) throws(Violation) {
        switch kind {
        case .turn: try replica.turn(&world)
        case .syncDone: try replica.syncDone(&world)
        default: try replica.applyDone(&world)
        }
    }

    private func trace(_ envelope: Envelope) {
        guard case .raft(let message) = envelope else { return }
        world.trace.mix(
            UInt64(message.kind.rawValue) << 56 ^ message.from.rawValue << 48 ^ message.term.rawValue << 32
                ^ message.index.rawValue << 16 ^ message.commit.rawValue << 4 ^ UInt64(message.entries.count))
    }

    func scheduleRestart(_ replica: SimulatedReplica) {
        let downtime = 100 + faultRandom.below([1_000, 10_000, 10_000, 100_000][faultRandom.below(4)])
        world.queue.push(
            Event(
                time: world.now + UInt64(downtime), kind: .restart, target: replica.position,
                incarnation: replica.incarnation))
    }

    private func restart(_ replica: SimulatedReplica, _ incarnation: UInt32) throws(Violation) {
        if replica.life == .crashed && replica.incarnation == incarnation && !staysDown(replica) {
            try replica.restart(&world)
        }
    }

    /// In the liveness phase a minority stays down.
    var down: [Int] = []

    private func staysDown(_ replica: SimulatedReplica) -> Bool { down.contains(replica.position) }

    private var places: [Int] { replicas.indices.filter { replicas[$0].life != .dropped } }

    /// The replica that leads in the newest term, as far as it knows.
    var newestLeader: SimulatedReplica? {
        replicas.filter { $0.life == .running && $0.role == .leader }.max { $0.term < $1.term }
    }
}
