import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit

/// One run of a whole cluster, made of a seed: nodes as they are in production on simulated disks, networks and clocks,
/// clients, and an operator who lets nodes join, leave and lose their disks. A safety phase under faults, then a liveness
/// phase in which everything asked must be answered and every move come to its end.
///
/// The same options give the same run, event by event: `Report.trace` tells.
package final class ClusterSimulation {
    package struct Report: Sendable {
        package var events = 0
        package var operations = 0
        package var trace: UInt64 = 0
        package var coverage = EventCounts<ClusterEvent>()
        package var network = Coverage()

        package init() {}

        package mutating func add(_ other: Report) {
            events += other.events
            operations += other.operations
            coverage.add(other.coverage)
            network.add(other.network)
        }
    }

    let world: ClusterWorld
    var nodes: [SimulatedNode] = []
    var clients: [ClusterClient]
    var history: PointHistory
    var faultRandom: Xoshiro256
    var memberRandom: Xoshiro256
    /// A node that the operator is letting in: its name, until the catalog has given it a number.
    var joining: String?
    /// A node that is to leave, until the catalog knows.
    var leaving: NodeNumber?
    var joined = 0
    var isOperating = true
    private(set) var events = 0
    private let options: ClusterOptions

    package init(_ options: ClusterOptions) {
        self.options = options
        world = ClusterWorld(options)
        clients = (0..<options.clients).map { ClusterClient($0, options) }
        history = PointHistory(registers: options.keys)
        faultRandom = Xoshiro256(seed: options.seed, stream: 5)
        memberRandom = Xoshiro256(seed: options.seed, stream: 6)
        world.layoutOfNode = { [unowned self] number in
            nodes.first { $0.number == number }?.run?.engine.catalog.layout
        }
    }

    /// Runs to the end, or to the first violation.
    package func run() throws(ClusterFailure) -> Report {
        defer { for node in nodes { node.end() } }
        do {
            try found()
            while events < options.events { try nextEvent() }
            try livenessPhase()
            world.coverage.count(.historiesUndecided, try history.check())
        } catch {
            throw ClusterFailure(violation: error, options: options, event: events, tick: world.now / 1_000)
        }
        var report = Report()
        report.events = events
        report.operations = history.count
        report.trace = world.trace.value
        report.coverage = world.coverage
        report.network = world.networkCounts
        return report
    }

    // MARK: Events

    func nextEvent() throws(Violation) {
        guard let event = world.queue.pop() else { preconditionFailure("no event is left: ticks never end") }
        world.now = event.time
        events += 1
        world.trace.mix(event.time << 16 ^ UInt64(event.kind.rawValue) << 8 ^ UInt64(bitPattern: Int64(event.target)))
        let target = Int(event.target)
        switch event.kind {
        case .clientWake: clients[target].wake(events, places, &history, world)
        case .clientReply:
            guard case .answer(let answer) = world.envelopes.remove(event.payload) else { return }
            clients[target].receive(answer, events, &history, world)
        case .faults: faultStep()
        case .membership: try operatorStep()
        case .restart: try restart(nodes[target], event.incarnation)
        case .tick, .deliver, .turn, .syncDone, .applyDone: happen(event, to: nodes[target])
        }
        if let violation = world.violation { throw violation }
    }

    /// Nodes that a client may have heard of.
    private var places: [Int] { nodes.filter { $0.life != .gone }.map(\.place) }

    private func happen(_ event: Event, to node: SimulatedNode) {
        if node.life == .running && node.clock.pausedUntil > event.time {
            var later = event
            later.time = node.clock.pausedUntil
            return world.queue.push(later)
        }
        switch event.kind {
        case .tick:
            if node.life == .gone { return }
            node.run?.tick()
            world.queue.push(Event(time: world.now + node.clock.tickInterval, kind: .tick, target: node.place))
        case .deliver:
            let envelope = world.envelopes.remove(event.payload)
            node.run?.receive(envelope)
        default:
            guard let run = node.run, node.incarnation == event.incarnation else { return }
            finish(event.kind, run)
        }
        if node.run?.isCrashing == true { crash(node) }
    }

    private func finish(_ kind: Event.Kind, _ run: NodeRun) {
        switch kind {
        case .turn: run.turnPlanned()
        case .syncDone: run.syncDone()
        default: run.applyDone()
        }
    }

    func crash(_ node: SimulatedNode) {
        node.crash()
        planRestart(node)
    }

    func planRestart(_ node: SimulatedNode) {
        let downtime = 1_000 + faultRandom.below([2_000, 20_000, 20_000, 200_000][faultRandom.below(4)])
        world.queue.push(
            Event(
                time: world.now + UInt64(downtime), kind: .restart, target: node.place, incarnation: node.incarnation))
    }

    private func restart(_ node: SimulatedNode, _ incarnation: UInt32) throws(Violation) {
        guard node.life == .down, node.incarnation == incarnation else { return }
        world.coverage.count(.restarts)
        try node.start()
    }

    /// A new machine. Its program begins with its replica of the catalog, empty or founding.
    func addNode(_ number: NodeNumber) throws(Violation) -> SimulatedNode {
        let node = SimulatedNode(place: nodes.count, number: number, world: world)
        nodes.append(node)
        try node.start()
        world.queue.push(
            Event(time: world.now + 500 + UInt64(faultRandom.below(500)), kind: .tick, target: node.place))
        return node
    }
}

/// A violation with all that is needed to see it again.
package struct ClusterFailure: Error, Sendable, CustomStringConvertible {
    package let violation: Violation
    package let options: ClusterOptions
    package let event: Int
    /// Simulated milliseconds: ticks of a clock that runs true.
    package let tick: UInt64

    package var description: String {
        """
        FAILED \(violation)
        seed \(options.seed), event \(event), tick \(tick)
        options \(options)
        replay: \(options.replayCommand)
        """
    }
}
