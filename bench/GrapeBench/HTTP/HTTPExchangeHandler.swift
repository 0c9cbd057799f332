import NIOCore
import NIOHTTP1

/// One request on its way, with the promise of its answer.
struct HTTPExchange: Sendable {
    let request: HTTPRequest
    let answer: EventLoopPromise<HTTPAnswer>
    let timeoutSeconds: Int
}

/// Turns exchanges into HTTP/1.1 on a connection that is kept, one after the other.
///
/// Every promise handed in is kept: by an answer, by the connection's end, or by the time limit, which closes the
/// connection as the answer could otherwise be taken for the next one's.
final class HTTPExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = Never
    typealias OutboundIn = HTTPExchange
    typealias OutboundOut = HTTPClientRequestPart

    private let host: String
    private var current: HTTPExchange?
    private var deadline = NIODeadline.distantFuture
    private var timer: Scheduled<Void>?
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()

    init(host: String) {
        self.host = host
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        guard current == nil, context.channel.isActive else {
            exchange.answer.fail(HTTPConnectionError.closed)
            promise?.fail(HTTPConnectionError.closed)
            return
        }
        current = exchange
        let request = exchange.request
        var headers = HTTPHeaders([("Host", host)])
        if request.body.readableBytes > 0 || request.method != .GET {
            headers.add(name: "Content-Type", value: "application/json")
            headers.add(name: "Content-Length", value: String(request.body.readableBytes))
        }
        let head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
        deadline = .now() + .seconds(Int64(exchange.timeoutSeconds))
    }

    func channelActive(context: ChannelHandlerContext) {
        watch(context.channel)
        context.fireChannelActive()
    }

    /// One timer a connection that looks at the deadline now and then costs less than one for each request.
    private func watch(_ channel: any Channel) {
        timer = channel.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in
            guard let self else { return }
            guard let exchange = current, NIODeadline.now() > deadline else { return watch(channel) }
            finish(.failure(HTTPConnectionError.timedOut(seconds: exchange.timeoutSeconds)))
            channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = ByteBuffer()
        case .body(var piece):
            if body.readableBytes == 0 { body = piece } else { body.writeBuffer(&piece) }
        case .end:
            guard let head else { return }
            let answer = HTTPAnswer(status: Int(head.status.code), headers: head.headers, body: body)
            (self.head, body) = (nil, ByteBuffer())
            // The answer first: closing tells `channelInactive`, which would take the request for unanswered.
            finish(.success(answer))
            if !head.isKeepAlive { context.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(error))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        finish(.failure(HTTPConnectionError.closed))
        context.fireChannelInactive()
    }

    private func finish(_ result: Result<HTTPAnswer, any Error>) {
        guard let exchange = current else { return }
        current = nil
        exchange.answer.completeWith(result)
    }
}
