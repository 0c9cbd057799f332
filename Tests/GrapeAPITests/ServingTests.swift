import GrapeAPI
import GrapeCluster
import GrapeModel
import Logging
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Synchronization
import Testing

/// Starting, stopping, and calls that take too long.
@Suite(.serialized) struct ServingTests {
    @Test func beforeTheNodeIsOpenOnlyLifeIsAnswered() async throws {
        try await TestServer.with(opensNode: false) { (server) async throws in
            #expect(try await server.call("GET", "/livez").status == 200)
            for path in ["/health", "/readyz", "/stats", "/vectors/1"] {
                let answer = try await server.call("GET", path)
                #expect(answer.status == 503, "\(path)")
                #expect(answer.headers["retry-after"] != nil, "\(path)")
                #expect(answer.text.contains("starting"), "\(path)")
            }
        }
    }

    @Test func aStoppingServerSaysSoToWhoeverIsStillConnected() async throws {
        try await TestServer.with(configure: { $0.stopSeconds = 120 }) { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            try await connection.send("GET /health HTTP/1.1\r\n")
            // Only a request that is known to be under way keeps its connection.
            for _ in 0..<50 { _ = try await server.call("GET", "/livez") }
            await server.beginStop()
            for _ in 0..<6_000 {
                guard (try? await server.call("GET", "/livez")) != nil else { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            try await connection.send("Host: t\r\n\r\n")
            let answer = try await connection.response()
            #expect(answer.status == 503)
            #expect(answer.text.contains("shutting down"))
            #expect(answer.headers["connection"] == "close")
        }
    }

    @Test func aPortInUseIsNamed() async throws {
        try await TestServer.with { (server) async throws in
            var options = APIOptions()
            options.restPort = server.port
            let second = RESTServer(
                options: options, serving: ServingState(), metrics: ServerMetrics(options), logger: Logger(label: "t"))
            let running = Task { try await second.run() }
            let failure = await #expect(throws: ListenFailure.self) { try await second.boundPort() }
            #expect(failure?.kind == .portInUse)
            #expect(failure?.description.contains("port \(server.port) on 127.0.0.1 is in use") == true)
            await #expect(throws: ListenFailure.self) { try await running.value }
        }
    }

    // MARK: Calls that take their time

    private final class Release: Sendable {
        private let released = Atomic(false)
        var value: Bool { released.load(ordering: .acquiring) }
        func set() { released.store(true, ordering: .releasing) }
    }

    /// Answers when it is told to.
    private struct SlowService: HTTPService {
        let isReleased = Release()

        /// A call begins though the threads of Swift's pool are taken.
        func executor(_ call: String) -> (any TaskExecutor)? { LoopExecutor.wherever }

        func admit(_ head: HTTPRequestHead) -> Admission<String> { Admission(.upsert, .call(head.uri)) }

        func answer(_ call: String, body: [UInt8], progress: CallProgress) async -> HTTPAnswer {
            progress.submit(points: 7)
            for _ in 0..<60_000 {
                if isReleased.value || call == "/fast" { break }
                try? await Task.sleep(for: .milliseconds(5))
            }
            return HTTPAnswer(text: "done \(body.count)")
        }

        func timeoutAnswer(_ call: String, progress: CallProgress) -> HTTPAnswer {
            HTTPAnswer(
                GrapeError(
                    .outcomeUnknown, "late",
                    writeOutcome: WriteOutcome(written: 0, notWritten: 0, unknown: progress.submittedPoints)))
        }
    }

    private func withSlowService(
        timeout: TimeAmount, stopSeconds: Int = 120,
        _ body: (SlowService, ServerLoad, Int, ServiceGroup) async throws -> Void
    ) async throws {
        let service = SlowService()
        var limits = ConnectionLimits()
        limits.requestTimeout = timeout
        limits.lingerTimeout = .milliseconds(200)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let load = ServerLoad()
        let listener = HTTPListener(
            service: service, host: "127.0.0.1", port: 0, key: "test", limits: limits, load: load,
            metrics: ServerMetrics(), recordsRequests: true, stopSeconds: stopSeconds, logger: logger)
        let group = ServiceGroup(services: [Listening(listener: listener)], logger: logger)
        let running = Task { try await group.run() }
        try await body(service, load, try await listener.boundPort(), group)
        service.isReleased.set()
        await group.triggerGracefulShutdown()
        try await running.value
        for _ in 0..<30_000 where load.heldBodyBytes > 0 { try await Task.sleep(for: .milliseconds(2)) }
        #expect(load.heldBodyBytes == 0)
        #expect(load.activeConnections == 0)
    }

    private struct Listening: Service {
        let listener: HTTPListener<SlowService>
        func run() async throws { try await listener.run {} }
    }

    private let slow = "POST /slow HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"

    @Test func aCallThatTakesTooLongIsGivenUpWithItsCounts() async throws {
        try await withSlowService(timeout: .seconds(2)) { (service, load, port, _) async throws in
            let connection = try await RawConnection.open(port: port)
            try await connection.send(slow)
            let answer = try await connection.response()
            #expect(answer.status == 504)
            #expect(try answer.json()["error"]?["unknown"] == 7)
            #expect(load.heldBodyBytes == 3)
            service.isReleased.set()
            #expect(await connection.untilClosed() == "")
        }
    }

    @Test func aClientThatLeavesLeavesNothingBehind() async throws {
        try await withSlowService(timeout: .seconds(120)) { (service, load, port, _) async throws in
            let connection = try await RawConnection.open(port: port)
            try await connection.send(slow)
            for _ in 0..<30_000 where load.heldBodyBytes == 0 { try await Task.sleep(for: .milliseconds(2)) }
            #expect(load.heldBodyBytes == 3)
            try await connection.close()
            service.isReleased.set()
            for _ in 0..<30_000 where load.activeConnections > 0 { try await Task.sleep(for: .milliseconds(2)) }
            #expect(load.heldBodyBytes == 0)
            #expect(load.activeConnections == 0)
        }
    }

    @Test func aStopLetsACallUnderWayEnd() async throws {
        try await withSlowService(timeout: .seconds(120)) { (service, load, port, group) async throws in
            let connection = try await RawConnection.open(port: port)
            try await connection.send(slow)
            for _ in 0..<30_000 where load.heldBodyBytes == 0 { try await Task.sleep(for: .milliseconds(2)) }
            await group.triggerGracefulShutdown()
            try await Task.sleep(for: .milliseconds(50))
            service.isReleased.set()
            let answer = try await connection.response()
            #expect(answer.status == 200)
            #expect(answer.text == "done 3")
            #expect(answer.headers["connection"] == "close")
        }
    }

    @Test func aStopDoesNotWaitForEver() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        try await withSlowService(timeout: .seconds(300), stopSeconds: 1) { (_, load, port, group) async throws in
            let connection = try await RawConnection.open(port: port)
            try await connection.send(slow)
            for _ in 0..<30_000 where load.heldBodyBytes == 0 { try await Task.sleep(for: .milliseconds(2)) }
            await group.triggerGracefulShutdown()
            #expect(await connection.untilClosed() == "")
        }
        #expect(clock.now - start < .seconds(60))
    }
}
