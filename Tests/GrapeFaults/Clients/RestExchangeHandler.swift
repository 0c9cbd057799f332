import NIOCore
import NIOHTTP1

/// One request, with the promise of what becomes of it. The promise may be kept more than once; the first time counts.
struct RestExchange: Sendable {
    let method: HTTPMethod
    let path: String
    let body: [UInt8]
    /// Under which a write is applied once, however often it is sent.
    let idempotencyKey: String?
    let outcome: EventLoopPromise<RestOutcome>
}

/// Turns exchanges into HTTP/1.1, one after the other. A connection that ends leaves the exchange under way unknown.
final class RestExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = Never
    typealias OutboundIn = RestExchange
    typealias OutboundOut = HTTPClientRequestPart

    private let authority: String
    private var current: RestExchange?
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    init(authority: String) {
        self.authority = authority
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        current = exchange
        var headers = HTTPHeaders([
            ("Host", authority), ("Content-Type", "application/json"), ("Content-Length", "\(exchange.body.count)"),
        ])
        if let key = exchange.idempotencyKey { headers.add(name: "Idempotency-Key", value: key) }
        let head = HTTPRequestHead(version: .http1_1, method: exchange.method, uri: exchange.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: exchange.body)))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let piece):
            body += piece.readableBytesView
        case .end:
            guard let head else { return }
            finish(.answer(RestAnswer(status: Int(head.status.code), headers: head.headers, body: body)))
            if !head.isKeepAlive { context.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.unknown("\(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.unknown("the connection was closed before the answer"))
        context.fireChannelInactive()
    }

    private func finish(_ outcome: RestOutcome) {
        current?.outcome.succeed(outcome)
        current = nil
    }
}
