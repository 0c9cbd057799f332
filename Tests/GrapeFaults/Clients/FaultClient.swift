import GrapeModel
import GrapeTestKit
import NIOHTTP1

/// One client: takes a node and an operation at random, again and again, and keeps what it saw.
///
/// What was answered 429, 503, 507 or 4xx counts as not done (the contract says so); whether that is true the reads of
/// others show.
struct FaultClient: Sendable {
    private let number: Int
    private let standing: Standing
    private let clock: RunClock
    private let timeout: Duration
    private var random: Xoshiro256
    private var connections: [RestClient]
    private var writes = 0
    private(set) var log = ClientLog()

    /// Values of one client lie this far from the next one's; they stay exact as JSON numbers.
    private static let valuesOfClient = 1_000_000_000

    init(number: Int, seed: UInt64, ports: [Int], standing: Standing, clock: RunClock, timeout: Duration) {
        self.number = number
        self.standing = standing
        self.clock = clock
        self.timeout = timeout
        random = Xoshiro256(seed: seed, stream: 1_000 + UInt64(number))
        connections = ports.map { RestClient(port: $0) }
    }

    /// Works on these points until told to stop, then hands over its log.
    mutating func work(on points: PointSet, until stop: StopSignal) async -> ClientLog {
        log = ClientLog()
        while !stop.isSet {
            await step(points)
            try? await Task.sleep(for: .milliseconds(random.below(25)))
        }
        return log
    }

    mutating func close() async {
        for node in connections.indices { await connections[node].close() }
    }

    private mutating func step(_ points: PointSet) async {
        let node = random.below(connections.count)
        let group = random.below(PointSet.groups)
        let id = points.ids(of: group)[random.below(PointSet.pointsInGroup)]
        switch random.below(20) {
        case 0..<8: await upsert([id], group, points, at: node)
        case 8..<10: await upsert(points.ids(of: group).filter { _ in random.below(2) == 0 }, group, points, at: node)
        case 10..<12: await delete(id, at: node)
        case 12..<16: await get(id, at: node)
        default: await search(group, points, at: node)
        }
    }

    private mutating func newValue() -> Int {
        writes += 1
        return number * Self.valuesOfClient + writes
    }
}

// MARK: - Operations

extension FaultClient {
    /// One point by the call for one, more as a batch.
    private mutating func upsert(_ ids: [String], _ group: Int, _ points: PointSet, at node: Int) async {
        guard !ids.isEmpty else { return }
        let written = ids.map { (id: $0, value: newValue()) }
        var writer = JSONWriter()
        if written.count > 1 {
            writer.beginObject()
            writer.key("vectors")
            writer.beginArray()
        }
        for (id, value) in written { points.write(id, group: group, value: value, to: &writer) }
        if written.count > 1 {
            writer.endArray()
            writer.endObject()
        }
        let kind = written.count > 1 ? OperationKind.batch : .upsert
        let path = written.count > 1 ? "/vectors/batch" : "/vectors"
        let call = clock.now
        let outcome = await send(kind, .POST, path, writer.bytes, to: node)
        guard let completion = completion(of: outcome) else { return }
        for (id, value) in written { log.add(.write(value), of: id, call: call, completion: completion) }
    }

    private mutating func delete(_ id: String, at node: Int) async {
        let call = clock.now
        let outcome = await send(.delete, .DELETE, "/vectors/\(id)", [], to: node)
        if case .answer(let answer) = outcome, answer.status == 404 {
            return log.add(.delete(existed: false), of: id, call: call, completion: clock.now)
        }
        guard let completion = completion(of: outcome) else { return }
        let deleted = outcome.document?.root.field("deleted")?.bool
        let operation = deleted.map { PointModel.Operation.delete(existed: $0) } ?? .deleteOfUnknownOutcome
        log.add(operation, of: id, call: call, completion: deleted == nil ? nil : completion)
    }

    private mutating func get(_ id: String, at node: Int) async {
        let call = clock.now
        let outcome = await send(.get, .GET, "/vectors/\(id)", [], to: node)
        switch outcome.answer?.status {
        case 404: log.add(.read(nil), of: id, call: call, completion: clock.now)
        case 200:
            guard let root = outcome.document?.root, let value = PointSet.value(of: root) else {
                return log.noteImpossible("GET \(id): \(outcome.answer?.text ?? "")")
            }
            log.add(.read(value), of: id, call: call, completion: clock.now)
        default: break
        }
    }

    private mutating func search(_ group: Int, _ points: PointSet, at node: Int) async {
        let call = clock.now
        let outcome = await send(.search, .POST, "/vectors/search", points.search(group: group), to: node)
        let completion = clock.now
        guard let answer = outcome.answer, answer.status == 200, let results = outcome.document?.root.field("results")
        else { return }
        var missed = Set(points.ids(of: group))
        for row in results.elements {
            guard let id = row.field("id")?.string, missed.remove(id) != nil, let value = PointSet.value(of: row) else {
                log.noteImpossible("search of group \(group): \(answer.text)")
                continue
            }
            log.add(.read(value), of: id, call: call, completion: completion)
        }
        for id in missed { log.addMiss(of: id, call: call, completion: completion) }
    }

    private mutating func send(
        _ kind: OperationKind, _ method: HTTPMethod, _ path: String, _ body: [UInt8], to node: Int
    ) async -> RestOutcome {
        let mark = standing.mark(of: node)
        let outcome = await connections[node].send(method, path, json: body, timeout: timeout)
        log.count(kind, outcome)
        if outcome.answer.map({ $0.status != 200 && $0.status != 404 }) ?? true, mark != nil,
            mark == standing.mark(of: node)
        {
            log.noteFailure(kind, "\(method) \(path) at node \(node + 1): \(outcome.answer?.text ?? "\(outcome)")")
        }
        // A node that is down would be asked thousands of times.
        if case .notSent = outcome { try? await Task.sleep(for: .milliseconds(50)) }
        if let answer = outcome.answer, ![200, 404, 429, 503, 504, 507].contains(answer.status) {
            log.noteImpossible("\(method) \(path) at node \(node + 1): \(answer.status) \(answer.text)")
        }
        return outcome
    }

    /// When a write took effect at the latest: `.some(nil)` where nobody knows, nil where it never did.
    private func completion(of outcome: RestOutcome) -> Int?? {
        switch outcome {
        case .notSent: nil
        case .unknown: .some(nil)
        case .answer(let answer) where answer.status == 200: .some(clock.now)
        // 500 promises nothing.
        case .answer(let answer): answer.status == 504 || answer.status == 500 ? .some(nil) : nil
        }
    }
}

extension RestOutcome {
    var document: JSONDocument? {
        answer.flatMap { try? JSONDocument(parsing: $0.body) }
    }
}
