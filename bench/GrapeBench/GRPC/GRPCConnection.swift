import NIOCore
import NIOHTTP2
import NIOPosix

/// One gRPC connection to a server; it carries many calls at once.
///
/// Bare HTTP/2 instead of a gRPC client, for the reason that `HTTPConnection` gives. A call looks like a request of
/// REST: its path is the method's, its body the message, and the status of its answer the one that REST has for it.
package struct GRPCConnection: Sendable {
    private let channel: any Channel
    private let streams: NIOHTTP2Handler.StreamMultiplexer
    private let authority: String

    package static func open(_ endpoint: Endpoint, on loop: any EventLoop) async throws -> GRPCConnection {
        let (channel, streams) = try await ClientBootstrap(group: loop)
            .connectTimeout(.seconds(Int64(HTTPConnection.connectTimeoutSeconds)))
            .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                channel.configureHTTP2Pipeline(
                    mode: .client, connectionConfiguration: .init(), streamConfiguration: .init()
                ) { stream in
                    // Servers open no streams.
                    stream.close()
                }
                .map { (channel, $0) }
            }
        return GRPCConnection(channel: channel, streams: streams, authority: endpoint.authority)
    }

    package var isOpen: Bool { channel.isActive }

    package nonisolated(nonsending) func exchange(
        _ request: HTTPRequest, timeoutSeconds: Int = 60
    ) async throws -> HTTPAnswer {
        let answer = channel.eventLoop.makePromise(of: HTTPAnswer.self)
        let exchange = HTTPExchange(request: request, answer: answer, timeoutSeconds: timeoutSeconds)
        let opened = channel.eventLoop.makePromise(of: (any Channel).self)
        opened.futureResult.whenFailure { _ in answer.fail(HTTPConnectionError.closed) }
        streams.createStreamChannel(promise: opened) { [authority] stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(GRPCExchangeHandler(exchange, authority: authority))
            }
        }
        return try await withCheckedThrowingContinuation { continuation in
            answer.futureResult.whenComplete { continuation.resume(with: $0) }
        }
    }

    package func close() async {
        try? await channel.close().get()
    }
}
