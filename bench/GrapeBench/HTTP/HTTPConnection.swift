import NIOCore
import NIOHTTP1
import NIOPosix

/// One connection to a server, kept from request to request; a request waits for the answer to the one before.
///
/// A load generator shares its machine with the server, so it must be light: bare NIO takes a fraction of the CPU of a
/// full HTTP client, and none of that client's features is needed here.
package struct HTTPConnection: Sendable {
    private let channel: any Channel

    package static let connectTimeoutSeconds = 5

    package static func open(_ endpoint: Endpoint, on loop: any EventLoop) async throws -> HTTPConnection {
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.seconds(Int64(connectTimeoutSeconds)))
            .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(HTTPExchangeHandler(host: endpoint.authority))
                }
            }
        return HTTPConnection(channel: try await bootstrap.connect(host: endpoint.host, port: endpoint.port).get())
    }

    package var isOpen: Bool { channel.isActive }

    /// Stays on the caller's executor: a caller that lives on this connection's event loop goes on without a change of
    /// thread.
    package nonisolated(nonsending) func exchange(
        _ request: HTTPRequest, timeoutSeconds: Int = 60
    ) async throws -> HTTPAnswer {
        let answer = channel.eventLoop.makePromise(of: HTTPAnswer.self)
        // A channel that is closed already has no handler left that could fail the exchange.
        let written = channel.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenFailure { _ in answer.fail(HTTPConnectionError.closed) }
        let exchange = HTTPExchange(request: request, answer: answer, timeoutSeconds: timeoutSeconds)
        channel.writeAndFlush(exchange, promise: written)
        return try await withCheckedThrowingContinuation { continuation in
            answer.futureResult.whenComplete { continuation.resume(with: $0) }
        }
    }

    package func close() async {
        try? await channel.close().get()
    }
}
