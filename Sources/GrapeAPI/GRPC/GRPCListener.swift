import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// How the gRPC port takes connections: within `server.max_connections`, counted in the metrics.
///
/// The transport's own listener is not used: it asks every call's connection for its TLS certificates, two hops between
/// threads a call, and counts nothing.
///
/// Thread safety: the promise may be asked from anywhere, the failure is guarded by its mutex.
final class GRPCListener: HTTP2ServerTransport.ListenerFactory {
    /// Calls under way on one connection.
    static let streamsMax = 256

    let eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    let load = ServerLoad()
    private let host: String
    private let port: Int
    private let limits: ConnectionLimits
    private let metrics: ServerMetrics
    /// nil: without TLS.
    private let tls: NIOSSLContext?
    private let bound: EventLoopPromise<Int>
    private let listenFailure = Mutex<ListenFailure?>(nil)

    init(host: String, port: Int, limits: ConnectionLimits, metrics: ServerMetrics, tls: NIOSSLContext?) {
        self.host = host
        self.port = port
        self.limits = limits
        self.metrics = metrics
        self.tls = tls
        bound = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Int.self)
    }

    deinit { failToListen("never ran") }

    /// Why the port could not be opened, once that is known.
    var failure: ListenFailure? { listenFailure.withLock { $0 } }

    /// Waits until the port listens. -> its number.
    func boundPort() async throws(ListenFailure) -> Int {
        do {
            return try await bound.futureResult.get()
        } catch {
            throw error as? ListenFailure ?? listenFailure(error)
        }
    }

    /// Tells whoever waits for the port; nothing happens where it has listened already.
    func failToListen(_ reason: String) {
        bound.fail(ListenFailure(kind: .cannotListen, "the gRPC server on port \(port) \(reason)"))
    }

    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
        connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never> {
        do {
            let listening = try await ServerBootstrap(group: eventLoopGroup)
                .serverChannelOption(.backlog, value: 1_024)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelInitializer { listenerConfigurator.configure(channel: $0) }
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .bind(host: host, port: port) { channel in
                    self.admit(channel).flatMap { connectionConfigurator.configure(channel: channel, tls: .none) }
                }
            bound.succeed(listening.channel.localAddress?.port ?? port)
            return listening
        } catch {
            let failure = listenFailure(error)
            listenFailure.withLock { $0 = failure }
            bound.fail(failure)
            throw error
        }
    }

    /// Counts the connection; one too many ends at once. Nobody else closes a connection whose initializer fails.
    private func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let room = load.connect(limits)
            channel.closeFuture.whenComplete { [load] _ in load.disconnect() }
            guard room == .any else {
                channel.close(promise: nil)
                throw ChannelError.ioOnClosedChannel
            }
            try channel.pipeline.syncOperations.addHandler(SocketObserver(traffic: metrics.traffic) { _ in })
            if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
        }
    }

    private func listenFailure(_ error: any Error) -> ListenFailure {
        ListenFailure(error, host: host, port: port, key: "server.grpc_port")
    }
}
