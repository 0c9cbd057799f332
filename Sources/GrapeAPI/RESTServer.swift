import Logging
import NIOSSL
import ServiceLifecycle

/// Grape's REST port.
///
/// It listens before the node has opened: until `ServingState` has a node, only `/`, `/livez` and the reason why
/// nothing else is answered are there.
package final class RESTServer: Service, Sendable {
    private let listener: HTTPListener<RESTService>
    private let serving: ServingState

    /// - Parameter tls: nil: plain HTTP.
    package init(
        options: APIOptions, serving: ServingState, metrics: ServerMetrics, tls: NIOSSLContext? = nil, logger: Logger
    ) {
        let load = ServerLoad()
        let service = RESTService(
            options: options, serving: serving, metrics: metrics, logger: logger,
            activeConnections: { load.activeConnections })
        listener = HTTPListener(
            service: service, host: options.host, port: options.restPort, key: "server.rest_port",
            limits: options.connections, load: load, metrics: metrics, recordsRequests: true, tls: tls,
            stopSeconds: options.stopSeconds, logger: logger)
        self.serving = serving
    }

    /// Open connections.
    package var activeConnections: Int { listener.load.activeConnections }

    /// Waits until the port listens. -> its number, which the system chooses where 0 is configured.
    package func boundPort() async throws(ListenFailure) -> Int { try await listener.boundPort() }

    package func run() async throws {
        try await listener.run { [serving] in serving.stop() }
    }
}
