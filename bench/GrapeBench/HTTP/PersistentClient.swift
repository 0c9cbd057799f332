import NIOCore
import NIOPosix

/// A client that keeps at it: it opens its connection anew when it breaks, turns to the next endpoint then, and comes
/// again when a server asks for it.
struct PersistentClient {
    private let endpoints: [Endpoint]
    private let loop: any EventLoop
    private let wire: WireProtocol
    private var current: Int
    private var connection: WireConnection?
    /// Requests sent again, because of a 429, a 503 or a broken connection.
    private(set) var retries = 0

    /// Times that one request is sent at most.
    static let attemptsMax = 10

    /// - Parameter number: the client's among its peers, which spreads them over the endpoints.
    init(endpoints: [Endpoint], number: Int, loop: any EventLoop, wire: WireProtocol = .rest) {
        self.endpoints = endpoints
        self.loop = loop
        self.wire = wire
        current = number % endpoints.count
    }

    /// The first answer that doesn't ask for a retry, or the last of many.
    ///
    /// Only for requests that may be carried out twice, as upserts and searches may.
    nonisolated(nonsending) mutating func send(_ request: HTTPRequest) async throws -> HTTPAnswer {
        var attempt = 1
        while true {
            do {
                let answer = try await opened().exchange(request)
                guard answer.isRetryable, attempt < Self.attemptsMax else { return answer }
                try await Task.sleep(for: .seconds(answer.retryAfterSeconds))
            } catch {
                await close()
                guard attempt < Self.attemptsMax, !(error is CancellationError) else {
                    throw BenchFailure("\(endpoints[current]): \(Self.reason(error))")
                }
                current = (current + 1) % endpoints.count
                try await Task.sleep(for: .milliseconds(50 << min(attempt, 5)))
            }
            attempt += 1
            retries += 1
        }
    }

    /// Refuses to measure where no server answers, before much is prepared and without patience.
    ///
    /// - Returns: the first endpoint that takes connections.
    static func reachable(of endpoints: [Endpoint], on loop: any EventLoop) async throws -> Endpoint {
        var reasons: [String] = []
        for endpoint in endpoints {
            do {
                try await HTTPConnection.open(endpoint, on: loop).close()
                return endpoint
            } catch {
                reasons.append("\(endpoint): \(reason(error))")
            }
        }
        throw BenchFailure(reasons.joined(separator: "; "))
    }

    nonisolated(nonsending) mutating func close() async {
        await connection?.close()
        connection = nil
    }

    private nonisolated(nonsending) mutating func opened() async throws -> WireConnection {
        if let connection, connection.isOpen { return connection }
        let opened = try await WireConnection.open(endpoints[current], over: wire, on: loop)
        connection = opened
        return opened
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case HTTPConnectionError.closed: "the connection was closed before the answer"
        case HTTPConnectionError.timedOut(let seconds): "no answer within \(seconds) s"
        case let failure as NIOConnectionError:
            "no connection: \(failure.connectionErrors.first.map { "\($0.error)" } ?? "the host has no address")"
        default: "no connection: \(error)"
        }
    }
}
