import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import Synchronization

/// One listening port with what serves it, as a service: Hummingbird's server over `HTTPChannel`.
///
/// Thread safety: the promise may be asked from anywhere.
package final class HTTPListener<Service: HTTPService>: Sendable {
    package let load: ServerLoad
    private let channel: HTTPChannel<Service>
    private let host: String
    private let port: Int
    private let key: String
    private let stopSeconds: Int
    private let logger: Logger
    private let bound: EventLoopPromise<Int>

    package init(
        service: Service, host: String, port: Int, key: String, limits: ConnectionLimits, load: ServerLoad,
        metrics: ServerMetrics, recordsRequests: Bool, tls: NIOSSLContext? = nil, stopSeconds: Int, logger: Logger
    ) {
        channel = HTTPChannel(
            service: service, limits: limits, load: load, metrics: metrics, recordsRequests: recordsRequests, tls: tls)
        self.load = load
        self.host = host
        self.port = port
        self.key = key
        self.stopSeconds = stopSeconds
        self.logger = logger
        bound = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Int.self)
    }

    deinit {
        bound.fail(ListenFailure(kind: .cannotListen, "the server on port \(port) never ran"))
    }

    /// Waits until the port listens. -> its number.
    package func boundPort() async throws(ListenFailure) -> Int {
        do {
            return try await bound.futureResult.get()
        } catch {
            throw error as? ListenFailure ?? ListenFailure(error, host: host, port: port, key: key)
        }
    }

    /// Listens until graceful shutdown; then takes no more connections, lets the requests under way end for at most
    /// `stopSeconds`, and returns.
    /// - Parameter stopping: called when the shutdown begins.
    package func run(stopping: @escaping @Sendable () -> Void) async throws {
        var quiet = logger
        // What it throws is told by us, and a shutdown while it opens is no error.
        quiet.logLevel = max(logger.logLevel, .critical)
        let server = Server(
            childChannelSetup: channel,
            configuration: ServerConfiguration(address: .hostname(host, port: port), backlog: 1_024),
            onServerRunning: { [bound, port] in bound.succeed($0.localAddress?.port ?? port) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        do {
            try await run(server, stopping: stopping)
            bound.fail(ListenFailure(kind: .cannotListen, "the server on port \(port) was stopped before it listened"))
        } catch {
            let failure = ListenFailure(error, host: host, port: port, key: key)
            bound.fail(failure)
            throw failure
        }
    }

    private func run(_ server: Server<HTTPChannel<Service>>, stopping: @escaping @Sendable () -> Void) async throws {
        let stopSeconds = stopSeconds
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withGracefulShutdownHandler {
                    try await server.run()
                } onGracefulShutdown: {
                    stopping()
                }
            }
            group.addTask {
                try? await gracefulShutdown()
                try? await Task.sleep(for: .seconds(stopSeconds))
            }
            // Whichever ends first: the server because all requests ended, or the time for that.
            try await group.next()
            group.cancelAll()
        }
    }
}
