import GrapeModel
import NIOCore
import NIOPosix

/// Writes all points of a file to servers, by several clients at once: one batch after the other, or each when it is due.
actor LoadRun {
    private let source: BatchSource
    private let endpoints: [Endpoint]
    private let path: String
    private let clients: Int
    private let wire: WireProtocol
    private var progress: Progress
    private var pace: Pace?

    private var written = 0
    private var errors = 0
    private var retries = 0
    private var firstError: String?
    private var latencies = LatencyHistogram()

    /// - Parameter batchRate: batches a second; nil: as many as there can be.
    init(
        source: BatchSource, points: Int, endpoints: [Endpoint], path: String, clients: Int, wire: WireProtocol,
        batchRate: Double? = nil
    ) {
        self.source = source
        self.endpoints = endpoints
        self.path = path
        self.clients = clients
        self.wire = wire
        progress = Progress(total: points)
        pace = batchRate.map { Pace(rate: $0) }
    }

    /// - Returns: the figures, and what the first failed batch was answered.
    func run() async throws -> (figures: LoadFigures, firstError: String?) {
        let server = ServerProcesses(endpoints: endpoints)
        let cpuBefore = server?.cpuSeconds
        let started = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<clients {
                group.addTask { try await self.client(number) }
            }
            try await group.waitForAll()
        }
        let seconds = (ContinuousClock.now - started).seconds
        let cpu = server.flatMap { server in cpuBefore.map { server.cpuSeconds - $0 } }
        let figures = LoadFigures(
            pointsPerSecond: Double(written) / seconds, latency: latencies.quantiles, errors: errors, retries: retries,
            seconds: seconds, serverCPUMicrosecondsPerPoint: written > 0 ? cpu.map { $0 * 1e6 / Double(written) } : nil)
        return (figures, firstError)
    }

    private func client(_ number: Int) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        var client = PersistentClient(endpoints: endpoints, number: number, loop: loop, wire: wire)
        while let batch = try await source.next() {
            let due = pace?.next()
            if let due { await loop.wait(until: due) }
            let started = due ?? ContinuousClock.now
            do {
                let answer = try await client.send(HTTPRequest(.POST, path, body: batch.body))
                note(answer, of: batch, latency: ContinuousClock.now - started)
            } catch let failure as BenchFailure {
                note(failure.description)
            }
        }
        retries += client.retries
        await client.close()
    }

    private func note(_ answer: HTTPAnswer, of batch: BatchSource.Batch, latency: Duration) {
        guard answer.isSuccess else { return note("status \(answer.status): \(answer.text.prefix(500))") }
        written += batch.points
        latencies.record(latency)
        progress.show(done: written)
    }

    private func note(_ error: String) {
        errors += 1
        firstError = firstError ?? error
    }
}
