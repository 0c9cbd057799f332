import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GrapeCluster
import Logging
import NIOSSL
import ServiceLifecycle

/// Grape's gRPC port: `grape.v1.Grape`, health and reflection.
///
/// Like REST it listens before the node has opened: until `ServingState` has a node, calls are UNAVAILABLE with the
/// reason, and health says NOT_SERVING.
package final class GRPCServer: Service, Sendable {
    private let server: GRPCCore.GRPCServer<HTTP2ServerTransport.Custom<GRPCListener>>
    private let listener: GRPCListener
    private let serving: ServingState
    private let stopSeconds: Int

    /// - Parameter tls: nil: without TLS.
    package init(
        options: APIOptions, serving: ServingState, metrics: ServerMetrics, tls: NIOSSLContext? = nil, logger: Logger
    ) {
        listener = GRPCListener(
            host: options.host, port: options.grpcPort, limits: options.connections, metrics: metrics,
            tls: tls)
        server = GRPCCore.GRPCServer(
            transport: HTTP2ServerTransport.Custom(
                listenerFactory: listener, config: Self.transport(options.connections, listener.load)),
            services: [
                GrapeService(options: options, serving: serving, metrics: metrics),
                HealthService(serving: serving),
                ReflectionService(),
            ],
            interceptors: [CallInterceptor(options: options, metrics: metrics, logger: logger)])
        self.serving = serving
        stopSeconds = options.stopSeconds
    }

    /// Open connections.
    package var activeConnections: Int { listener.load.activeConnections }

    /// Waits until the port listens. -> its number, which the system chooses where 0 is configured.
    package func boundPort() async throws(ListenFailure) -> Int { try await listener.boundPort() }

    /// Listens until graceful shutdown; then takes no more calls, lets those under way end for at most `stopSeconds`,
    /// and returns.
    package func run() async throws {
        do {
            try await serve()
            listener.failToListen("was stopped before it listened")
        } catch {
            listener.failToListen("never listened: \(error)")
            // A server that was asked to stop, also before it began, has not failed.
            if serving.isStopping { return }
            // Whoever can't listen is told why in the words of the operator's configuration.
            throw listener.failure ?? error
        }
    }

    private func serve() async throws {
        try await withThrowingTaskGroup(of: Void.self) { [server, serving, stopSeconds] group in
            group.addTask(executorPreference: LoopExecutor.wherever) {
                try await withGracefulShutdownHandler {
                    try await server.serve()
                } onGracefulShutdown: {
                    serving.stop()
                    server.beginGracefulShutdown()
                }
            }
            group.addTask {
                try? await gracefulShutdown()
                try? await Task.sleep(for: .seconds(stopSeconds))
            }
            // Whichever ends first: the server because all calls ended, or the time for that.
            try await group.next()
            group.cancelAll()
        }
    }

    private static func transport(
        _ limits: ConnectionLimits, _ load: ServerLoad
    ) -> HTTP2ServerTransport.Custom<GRPCListener>.Config {
        var config = HTTP2ServerTransport.Custom<GRPCListener>.Config.defaults
        config.rpc.maxRequestPayloadSize = limits.bodyBytesMax
        config.http2.maxConcurrentStreams = GRPCListener.streamsMax
        config.http2.targetWindowSize = 1 << 20
        // What is written in one turn of the loop goes out at once, and nothing waits for a timer.
        config.connection.flushCoalescing?.maxFlushDelay = .zero
        // A client that vanished without a word frees its place; the usual clients ping more often than the default allows.
        config.connection.keepalive.time = .seconds(60)
        config.connection.keepalive.clientBehavior.allowWithoutCalls = true
        config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(5)
        config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    GRPCStreamGuard(load: load, limits: limits), position: .first)
            }
        }
        return config
    }
}
