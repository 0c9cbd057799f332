import GrapeModel
import GrapeProto
import NIOCore
import NIOPosix

/// Sends searches to servers for a while, by several clients at once, each with one search under way: the next at once
/// (closed loop), or when it is due at a given rate (open loop).
///
/// The actor lives on one event loop, with all connections: an answer leads to the next request without a change of
/// thread. Answers are kept, not read, while the clock runs; recall is worked out from them afterwards, so that it is
/// the recall of the very searches whose speed stands beside it.
actor SearchRun {
    private let loop: any EventLoop
    private let executor: any SerialExecutor
    private let endpoints: [Endpoint]
    private let path: String
    private let bodies: [ByteBuffer]
    private let wire: WireProtocol
    /// Searches a second; nil: as many as there can be.
    private let rate: Double?
    private var pace: Pace?

    private var nextQuery = 0
    private var latencies = LatencyHistogram()
    private var errors = 0
    private(set) var firstError: String?
    /// The first answer to each query.
    private var answers: [ByteBuffer?]
    private var isMeasuring = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(endpoints: [Endpoint], path: String, bodies: [ByteBuffer], wire: WireProtocol, rate: Double? = nil) {
        loop = MultiThreadedEventLoopGroup.singleton.next()
        executor = loop.executor
        self.endpoints = endpoints
        self.path = path
        self.bodies = bodies
        self.wire = wire
        self.rate = rate
        answers = Array(repeating: nil, count: bodies.count)
    }

    struct Outcome: Sendable {
        let seconds: Double
        let latencies: LatencyHistogram
        let errors: Int
        let firstError: String?
        let serverCPUSeconds: Double?
        let clientCPUSeconds: Double
        /// Ids as row numbers, of the queries that were answered.
        let found: [Int: [Int]]
    }

    /// - Parameter warmUp: time before the measurement in which connections open and caches fill.
    func run(clients: Int, warmUp: Duration, duration: Duration) async throws -> Outcome {
        try await search(clients: clients, for: warmUp)
        (nextQuery, errors, firstError) = (0, 0, nil)
        latencies = LatencyHistogram()
        isMeasuring = true
        let server = ServerProcesses(endpoints: endpoints)
        let cpuBefore = (server: server?.cpuSeconds, client: CPUClock.process)
        let started = ContinuousClock.now
        try await search(clients: clients, for: duration)
        let seconds = (ContinuousClock.now - started).seconds
        let serverCPU = server.flatMap { server in cpuBefore.server.map { server.cpuSeconds - $0 } }
        let clientCPU = Double(CPUClock.process - cpuBefore.client) / 1e9
        return Outcome(
            seconds: seconds, latencies: latencies, errors: errors, firstError: firstError,
            serverCPUSeconds: serverCPU, clientCPUSeconds: clientCPU, found: try found())
    }

    private func search(clients: Int, for duration: Duration) async throws {
        let deadline = ContinuousClock.now + duration
        pace = rate.map { Pace(rate: $0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<clients {
                group.addTask { try await self.client(number, until: deadline) }
            }
            try await group.waitForAll()
        }
    }

    private func client(_ number: Int, until deadline: ContinuousClock.Instant) async throws {
        var client = PersistentClient(endpoints: endpoints, number: number, loop: loop, wire: wire)
        while ContinuousClock.now < deadline {
            let query = nextQuery % bodies.count
            nextQuery += 1
            let due = pace?.next()
            if let due {
                guard due < deadline else { break }
                await loop.wait(until: due)
            }
            let started = due ?? ContinuousClock.now
            do {
                let answer = try await client.send(HTTPRequest(.POST, path, body: bodies[query]))
                note(answer, query: query, latency: ContinuousClock.now - started)
            } catch let failure as BenchFailure {
                note(failure.description)
            }
        }
        await client.close()
    }

    private func note(_ answer: HTTPAnswer, query: Int, latency: Duration) {
        guard answer.isSuccess else { return note("status \(answer.status): \(answer.text.prefix(500))") }
        latencies.record(latency)
        if isMeasuring, answers[query] == nil { answers[query] = answer.body }
    }

    private func note(_ error: String) {
        errors += 1
        firstError = firstError ?? error
    }

    private func found() throws -> [Int: [Int]] {
        var found: [Int: [Int]] = [:]
        for (query, body) in answers.enumerated() {
            guard let body else { continue }
            found[query] = try wire == .rest ? Self.rows(ofJSON: body) : Self.rows(ofMessage: body)
        }
        return found
    }

    private static func rows(ofMessage body: ByteBuffer) throws -> [Int] {
        try Grape_V1_SearchResponse(serializedBytes: Array(body.readableBytesView)).results.map { $0.id.row ?? -1 }
    }

    private static func rows(ofJSON body: ByteBuffer) throws -> [Int] {
        let document = try JSONDocument(parsing: Array(body.readableBytesView))
        guard let results = document.root.field("results") else {
            throw BenchFailure("an answer without results: \(String(buffer: body).prefix(200))")
        }
        return results.elements.map { $0.field("id").flatMap(row) ?? -1 }
    }

    /// Ids come back in the form in which they were written, here or by another loader: 7 or "7".
    private static func row(_ id: JSONDocument.Node) -> Int? {
        id.int64.map { Int($0) } ?? id.string.flatMap { Int($0) }
    }
}
