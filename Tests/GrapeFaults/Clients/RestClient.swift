import NIOCore
import NIOHTTP1
import NIOPosix

package struct RestAnswer: Sendable {
    package let status: Int
    package let headers: HTTPHeaders
    package let body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }
}

/// What a client knows about a request of its.
package enum RestOutcome: Sendable {
    case answer(RestAnswer)
    /// No connection: the server has never seen the request.
    case notSent
    /// No answer: it may have been carried out, or may still be.
    case unknown(String)

    package var answer: RestAnswer? {
        if case .answer(let answer) = self { answer } else { nil }
    }
}

/// A client of one node that keeps its connection, opens it anew when it has broken, and never sends a request twice: it
/// tells apart what certainly did not happen from what may have.
package struct RestClient: Sendable {
    private let port: Int
    private var channel: (any Channel)?

    private static let connectTimeout = TimeAmount.seconds(2)

    package init(port: Int) {
        self.port = port
    }

    package mutating func send(
        _ method: HTTPMethod, _ path: String, json body: [UInt8] = [], idempotencyKey: String? = nil,
        timeout: Duration = .seconds(10)
    ) async -> RestOutcome {
        guard let channel = await opened() else { return .notSent }
        let outcome = channel.eventLoop.makePromise(of: RestOutcome.self)
        let exchange = RestExchange(
            method: method, path: path, body: body, idempotencyKey: idempotencyKey, outcome: outcome)
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            outcome.succeed(.unknown("no answer within \(timeout)"))
        }
        channel.writeAndFlush(exchange).whenFailure { outcome.succeed(.unknown("\($0)")) }
        let result = (try? await outcome.futureResult.get()) ?? .unknown("no outcome")
        timer.cancel()
        // The answer to a request given up would be taken for the next one's.
        if case .unknown = result { await close() }
        return result
    }

    package mutating func close() async {
        try? await channel?.close().get()
        channel = nil
    }

    private mutating func opened() async -> (any Channel)? {
        if let channel, channel.isActive { return channel }
        let authority = "127.0.0.1:\(port)"
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton.next())
            .connectTimeout(Self.connectTimeout)
            .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(RestExchangeHandler(authority: authority))
                }
            }
        channel = try? await bootstrap.connect(host: "127.0.0.1", port: port).get()
        return channel
    }
}
