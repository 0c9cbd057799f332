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
    private let usesKeys: Bool

    /// Registers have numbers below this; other points come and go unwatched.
    static let firstOther = 1_000

    init(_ id: Int, _ options: ClusterOptions) {
        self.id = id
        random = Xoshiro256(seed: options.seed, stream: 100 + UInt64(id))
        keys = options.keys
        window = random.within(1...4)
        usesKeys = random.below(2) == 0
    }

    var isDone: Bool { remaining == 0 && open.isEmpty }

    mutating func finish(after count: Int, at now: UInt64) {
        remaining = count
        for index in open.indices { open[index].deadline = now + 400_000 }
    }

    // MARK: Events

    mutating func wake(_ event: Int, _ places: [Int], _ history: inout RegisterHistory, _ world: ClusterWorld) {
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
        if case .read = operation.request.kind { return true }
        return operation.sends == 0 || !operation.mayBeDone || !operation.request.idempotencyKey.isEmpty
    }

    mutating func receive(_ answer: ClientAnswer, _ event: Int, _ history: inout RegisterHistory, _ world: ClusterWorld)
    {
        guard let index = open.firstIndex(where: { $0.request.sequence == answer.sequence }) else { return }
        switch answer.kind {
        case .notHere:
            // It was not tried. Asked again at the next wake but one.
            open[index].sentAt = min(open[index].sentAt, world.now - min(world.now, 22_000))
            if open[index].sends == 1 { open[index].mayBeDone = false }
        case .unknown:
            open[index].sentAt = min(open[index].sentAt, world.now - min(world.now, 22_000))
        case .refused:
            if open[index].sends == 1 {
                world.coverage.count(.writesRefused)
                open.remove(at: index)
            }
        case .written, .value: complete(index, answer.kind, event, &history, world)
        }
    }

    private mutating func complete(
        _ index: Int, _ kind: ClientAnswer.Kind, _ event: Int, _ history: inout RegisterHistory, _ world: ClusterWorld
    ) {
        let operation = open.remove(at: index)
        switch (operation.request.kind, kind) {
        case (.upsert(let key, let value), .written):
            world.coverage.count(.writesAcknowledged)
            if key < Self.firstOther {
                history.add(.write(value), key: key, call: operation.call, completion: event)
            }
        case (.read(let key), .value(let value)):
            history.add(.read(value), key: key, call: operation.call, completion: event)
        case (.delete, .written): world.coverage.count(.deletesAcknowledged)
        default: world.note(.coreRefused, "client \(id) got \(kind) for \(operation.request.kind)")
        }
    }

    /// What was never answered.
    mutating func close(_ history: inout RegisterHistory) {
        for operation in open { record(unknown: operation, &history) }
        open = []
    }

    private func record(unknown operation: OpenOperation, _ history: inout RegisterHistory) {
        guard case .upsert(let key, let value) = operation.request.kind, key < Self.firstOther else { return }
        history.add(.write(value), key: key, call: operation.call, completion: nil)
    }

    // MARK: Operations

    private mutating func start(_ event: Int, _ places: [Int], _ world: ClusterWorld) {
        let key = random.below(keys)
        let other = Self.firstOther + random.below(8)
        let kind: ClientRequest.Kind
        switch random.below(8) {
        case 0, 1, 2: kind = .read(key: key)
        case 3, 4, 5: kind = .upsert(key: key, value: nextSequence << 8 | id + 1)
        case 6: kind = .upsert(key: other, value: nextSequence)
        default: kind = .delete(key: other)
        }
        let patience = UInt64(remaining == nil ? random.within(20_000...150_000) : 400_000)
        let name = Array("\(id)-\(nextSequence)".utf8)
        let request = ClientRequest(
            client: id, sequence: nextSequence, kind: kind, idempotencyKey: usesKeys ? name : [],
            deadline: world.now + patience)
        nextSequence += 1
        remaining? -= 1
        open.append(OpenOperation(request: request, call: event, deadline: world.now + patience))
        send(open.count - 1, places, world)
    }

    private mutating func send(_ index: Int, _ places: [Int], _ world: ClusterWorld) {
        open[index].sentAt = world.now
        open[index].request.attempt = open[index].sends
        open[index].sends += 1
        open[index].mayBeDone = true
        open[index].request.deadline = open[index].deadline
        world.send(
            .request(open[index].request), from: ClusterWorld.firstClient + id, to: places[random.below(places.count)])
    }

    private mutating func giveUp(_ history: inout RegisterHistory, _ world: ClusterWorld) {
        for index in open.indices.reversed() where world.now >= open[index].deadline {
            let operation = open.remove(at: index)
            if case .read = operation.request.kind { continue }
            world.coverage.count(.writesUnknown)
            record(unknown: operation, &history)
        }
    }
}
