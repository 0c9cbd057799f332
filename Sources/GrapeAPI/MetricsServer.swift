import GrapeModel
import Logging
import NIOHTTP1
import ServiceLifecycle

/// The port on which Prometheus scrapes.
package final class MetricsServer: Service, Sendable {
    private let listener: HTTPListener<MetricsService>

    /// - Parameter activeConnections: open connections of the REST port.
    package init(
        options: APIOptions, serving: ServingState, metrics: ServerMetrics, logger: Logger,
        activeConnections: @escaping @Sendable () -> Int
    ) {
        var limits = options.connections
        limits.connectionsMax = 100
        limits.bodyBytesMax = 4_096
        listener = HTTPListener(
            service: MetricsService(serving: serving, metrics: metrics, activeConnections: activeConnections),
            host: options.host, port: options.prometheusPort, key: "monitoring.prometheus_port", limits: limits,
            load: ServerLoad(), metrics: metrics, recordsRequests: false, stopSeconds: 1, logger: logger)
    }

    package func boundPort() async throws(ListenFailure) -> Int { try await listener.boundPort() }

    package func run() async throws {
        try await listener.run {}
    }
}

/// Answers `GET /metrics` and nothing else.
struct MetricsService: HTTPService {
    struct Scrape: Sendable {}

    let serving: ServingState
    let metrics: ServerMetrics
    let activeConnections: @Sendable () -> Int

    func admit(_ head: HTTPRequestHead) -> Admission<Scrape> {
        let path = head.uri.prefix { $0 != "?" }
        guard path == "/metrics" else { return refusal(GrapeError(.notFound, "there is only /metrics here")) }
        guard head.method == .GET || head.method == .HEAD else {
            var answer = HTTPAnswer(GrapeError(.methodNotAllowed, "\(head.method.rawValue) is not allowed here"))
            answer.headers.append(("Allow", "GET, HEAD"))
            return Admission(.other, .answer(answer))
        }
        return Admission(.other, .call(Scrape()))
    }

    private func refusal(_ error: GrapeError) -> Admission<Scrape> {
        Admission(.other, .answer(HTTPAnswer(error)))
    }

    func answer(_ call: Scrape, body: [UInt8], progress: CallProgress) async -> HTTPAnswer {
        let text = await MetricsPage.make(
            requests: metrics.totals(), traffic: metrics.traffic, activeConnections: activeConnections(),
            node: try? serving.ready())
        return HTTPAnswer(contentType: .metrics, body: Array(text.utf8))
    }

    func timeoutAnswer(_ call: Scrape, progress: CallProgress) -> HTTPAnswer {
        HTTPAnswer(GrapeError(.unavailable, "the metrics could not be read in time"))
    }
}
