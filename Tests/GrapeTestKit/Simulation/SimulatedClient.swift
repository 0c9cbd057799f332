import GrapeRaft

/// A client with a few operations open at a time, each of them asked again under the same number until it is answered
/// or given up (RAFT.md 24). Knows replicas only by what they answer.
struct SimulatedClient {
    private struct OpenOperation {
        var command: MapCommand
        var call: Int
        var sentAt: UInt64
        var deadline: UInt64
    }

    let id: UInt16
    private var open: [OpenOperation] = []
    private var nextSequence: UInt32 = 1
    private var likelyLeader: Int?
    /// By key: the value last seen, to compare with.
    private var lastSeen: [UInt64]
    private var random: Xoshiro256
    /// Operations still to start; nil is without end.
    private var remaining: Int?

    init(_ id: Int, _ options: SimulationOptions) {
        self.id = UInt16(id)
        lastSeen = Array(repeating: 0, count: options.keys)
        random = Xoshiro256(seed: options.seed, stream: 100 + UInt64(id))
    }

    var isDone: Bool { remaining == 0 && open.isEmpty }

    /// The last operations: these must be answered.
    mutating func finish(after count: Int) {
        remaining = count
        for index in open.indices { open[index].deadline = .max }
    }

    // MARK: Events

    /// - Parameter places: the replicas that a client may have heard of.
    mutating func wake(_ event: Int, _ places: [Int], _ history: inout ClientHistory, _ world: inout World) {
        giveUp(&history, &world)
        for index in open.indices where world.now >= open[index].sentAt + 12_000 {
            likelyLeader = nil
            send(index, places, &world)
        }
        if mayStart(world.options) && random.below(3) == 0 { start(event, places, &world) }
        world.queue.push(
            Event(time: world.now + UInt64(random.within(300...2_000)), kind: .clientWake, target: Int(id)))
    }

    mutating func receive(_ reply: Reply, _ event: Int, _ history: inout ClientHistory, _ world: inout World) {
        guard let index = open.firstIndex(where: { $0.command.sequence == reply.sequence }) else { return }
        let command = open[index].command
        switch reply.answer {
        case .notLeader(let hint):
            likelyLeader = hint == .none ? nil : Int(hint.rawValue) - 1
            // Asked again at the next wake.
            open[index].sentAt = min(open[index].sentAt, world.now - min(world.now, 11_000))
            return
        case .value(let value):
            lastSeen[Int(command.key)] = value
            world.coverage.count(.readsAcknowledged)
        case .outcome(let outcome):
            lastSeen[Int(command.key)] = command.value
            if case .notSwapped(let found) = outcome { lastSeen[Int(command.key)] = found }
            world.coverage.count(.writesAcknowledged)
            if command.kind == .compareAndSet {
                world.coverage.count(outcome == .swapped ? .compareAndSetsSucceeded : .compareAndSetsFailed)
            }
        }
        history.completed(command, reply.answer, call: open[index].call, completion: event)
        open.remove(at: index)
    }

    /// What was never answered.
    mutating func close(_ history: inout ClientHistory) {
        for operation in open { history.gaveUp(operation.command, call: operation.call) }
        open = []
    }

    // MARK: Operations

    private var lowestOpen: UInt32 { open.reduce(nextSequence) { min($0, $1.command.sequence) } }

    /// The replicas keep results for `window` operations from the lowest open one on.
    private func mayStart(_ options: SimulationOptions) -> Bool {
        remaining != 0 && nextSequence < lowestOpen + UInt32(options.window)
    }

    private mutating func start(_ event: Int, _ places: [Int], _ world: inout World) {
        let key = random.below(world.options.keys)
        let kind: MapCommand.Kind = [.read, .read, .write, .compareAndSet][random.below(4)]
        let value = kind == .read ? 0 : UInt64(nextSequence) << 16 | UInt64(id) + 1
        let command = MapCommand(
            kind, client: id, sequence: nextSequence, lowestOpen: lowestOpen, key: UInt8(key),
            expected: kind == .compareAndSet ? lastSeen[key] : 0, value: value)
        nextSequence += 1
        remaining? -= 1
        let deadline = remaining == nil ? world.now + UInt64(random.within(20_000...80_000)) : .max
        open.append(OpenOperation(command: command, call: event, sentAt: 0, deadline: deadline))
        send(open.count - 1, places, &world)
    }

    private mutating func send(_ index: Int, _ places: [Int], _ world: inout World) {
        let isFar = open[index].command.kind == .read && random.below(2) == 0
        let anywhere = places[random.below(places.count)]
        open[index].sentAt = world.now
        world.send(
            .request(open[index].command), from: World.replicasMax + Int(id),
            to: isFar ? anywhere : likelyLeader ?? anywhere)
    }

    private mutating func giveUp(_ history: inout ClientHistory, _ world: inout World) {
        for index in open.indices.reversed() where world.now >= open[index].deadline {
            let operation = open.remove(at: index)
            world.coverage.count(.outcomesUnknown)
            history.gaveUp(operation.command, call: operation.call)
        }
    }
}
