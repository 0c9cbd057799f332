import GrapeTestKit

/// A client with a few operations open at a time. A write that gets no answer is asked again under its key, perhaps of
/// another node, or given up; a read is asked anywhere.
struct ClusterClient {
    private struct OpenOperation {
        var request: ClientRequest
        var call: Int
        var sentAt: UInt64 = 0
        var sends = 0
        var deadline: UInt64
        /// Some node may have done it.
        var mayBeDone = false
    }

    let id: Int
    private var open: [OpenOperation] = []
    private var nextSequence = 1
    private var random: Xoshiro256
    /// Operations still to start; nil is without end.
    private var remaining: Int?
    private let keys: Int
    private let window: Int
    private var usesKeys: Bool

    init(_ id: Int, _ options: ClusterOptions) {
        self.id = id
        random = Xoshiro256(seed: options.seed, stream: 100 + UInt64(id))
        keys = options.keys
        window = random.within(1...4)
        usesKeys = random.below(2) == 0
    }

    /// How long a node may try.
    private static let patience: UInt64 = 150_000

    var isDone: Bool { remaining == 0 && open.isEmpty }

    /// From here on all must be answered that is asked; what was asked before may have got lost.
    mutating func finish(after count: Int, at now: UInt64) {
        remaining = count
        usesKeys = true
        for index in open.indices { open[index].deadline = min(open[index].deadline, now + 400_000) }
    }

    // MARK: Events

    mutating func wake(_ event: Int, _ places: [Int], _ history: inout PointHistory, _ world: ClusterWorld) {
        giveUp(&history, world)
        for index in open.indices.reversed() where world.now >= open[index].sentAt + 25_000 {
            guard isRepeatable(open[index]) else { continue }
            send(index, places, world)
        }
        if remaining != 0, open.count < window, random.below(3) == 0 { start(event, places, world) }
        world.queue.push(
            Event(time: world.now + UInt64(random.within(500...3_000)), kind: .clientWake, target: id))
    }

    private func isRepeatable(_ operation: OpenOperation) -> Bool {
        if operation.request.kind.isRead { return true }
        return operation.sends == 0 || !operation.mayBeDone || !operation.request.idempotencyKey.isEmpty
    }

    mutating func receive(_ answer: ClientAnswer, _ event: Int, _ history: inout PointHistory, _ world: ClusterWorld) {
        guard let index = open.firstIndex(where: { $0.request.sequence == answer.sequence }) else { return }
        switch answer.kind {
        case .notHere:
            // It was not tried. Asked again at the next wake but one.
            open[index].sentAt = min(open[index].sentAt, world.now - min(world.now, 22_000))
            if open[index].sends == 1 { open[index].mayBeDone = false }
        case .unknown:
            open[index].sentAt = min(open[index].sentAt, world.now - min(world.now, 22_000))
        case .refused:
            if remaining != nil {
                open[index].sentAt = min(open[index].sentAt, world.now - min(world.now, 22_000))
            } else if open[index].sends == 1 {
                world.coverage.count(.writesRefused)
                open.remove(at: index)
            }
        case .written, .value, .found: complete(index, answer.kind, event, &history, world)
        }
    }

    private mutating func complete(
        _ index: Int, _ kind: ClientAnswer.Kind, _ event: Int, _ history: inout PointHistory, _ world: ClusterWorld
    ) {
        let operation = open.remove(at: index)
        switch (operation.request.kind, kind) {
        case (.upsert(let key, let value), .written):
            world.coverage.count(.writesAcknowledged)
            history.write(value, key: key, call: operation.call, completion: event)
        case (.delete(let key), .written):
            world.coverage.count(.deletesAcknowledged)
            history.write(nil, key: key, call: operation.call, completion: event)
        case (.read(let key), .value(let value)):
            history.read(value, key: key, call: operation.call, completion: event)
        case (.search, .found(let points)):
            for (key, value) in points { history.read(value, key: key, call: operation.call, completion: event) }
        default: world.note(.coreRefused, "client \(id) got \(kind) for \(operation.request.kind)")
        }
    }

    /// What was never answered.
    mutating func close(_ history: inout PointHistory) {
        for operation in open { record(unknown: operation, &history) }
        open = []
    }

    private func record(unknown operation: OpenOperation, _ history: inout PointHistory) {
        switch operation.request.kind {
        case .upsert(let key, let value): history.write(value, key: key, call: operation.call, completion: nil)
        case .delete(let key): history.write(nil, key: key, call: operation.call, completion: nil)
        case .read, .search: break
        }
    }

    // MARK: Operations

    private mutating func start(_ event: Int, _ places: [Int], _ world: ClusterWorld) {
        let key = random.below(keys)
        let other = PointHistory.firstOther + random.below(PointHistory.otherCount)
        let value = nextSequence << 8 | id + 1
        let kind: ClientRequest.Kind
        switch random.below(10) {
        case 0, 1: kind = .read(key: key)
        case 2: kind = .read(key: other)
        case 3: kind = .search
        case 4: kind = .upsert(key: other, value: value)
        case 5: kind = .delete(key: other)
        default: kind = .upsert(key: key, value: value)
        }
        let deadline = remaining == nil ? world.now + UInt64(random.within(20_000...150_000)) : .max
        let name = Array("\(id)-\(nextSequence)".utf8)
        let request = ClientRequest(
            client: id, sequence: nextSequence, kind: kind, idempotencyKey: usesKeys ? name : [],
            deadline: deadline)
        nextSequence += 1
        remaining? -= 1
        open.append(OpenOperation(request: request, call: event, deadline: deadline))
        send(open.count - 1, places, world)
    }

    private mutating func send(_ index: Int, _ places: [Int], _ world: ClusterWorld) {
        open[index].sentAt = world.now
        open[index].request.attempt = open[index].sends
        open[index].sends += 1
        open[index].mayBeDone = true
        open[index].request.deadline = min(open[index].deadline, world.now + Self.patience)
        world.send(
            .request(open[index].request), from: ClusterWorld.firstClient + id, to: places[random.below(places.count)])
    }

    private mutating func giveUp(_ history: inout PointHistory, _ world: ClusterWorld) {
        for index in open.indices.reversed() where world.now >= open[index].deadline {
            let operation = open.remove(at: index)
            if operation.request.kind.isRead { continue }
            world.coverage.count(.writesUnknown)
            record(unknown: operation, &history)
        }
    }
}
