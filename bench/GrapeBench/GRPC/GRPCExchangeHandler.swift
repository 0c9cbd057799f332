import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2

/// One unary call on a stream of its own. Its promise is kept by an answer, the stream's end or the time limit.
final class GRPCExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// Whether the message is compressed, and its length.
    private static let prefixCount = 5

    private let exchange: HTTPExchange
    private let authority: String
    private var body = ByteBuffer()
    private var headers = HTTPHeaders()
    private var timer: Scheduled<Void>?

    init(_ exchange: HTTPExchange, authority: String) {
        self.exchange = exchange
        self.authority = authority
    }

    func channelActive(context: ChannelHandlerContext) {
        let headers = HPACKHeaders([
            (":method", "POST"), (":scheme", "http"), (":path", exchange.request.path), (":authority", authority),
            ("content-type", "application/grpc"), ("te", "trailers"),
        ])
        context.write(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
        let message = exchange.request.body
        var framed = context.channel.allocator.buffer(capacity: Self.prefixCount + message.readableBytes)
        framed.writeInteger(UInt8(0))
        framed.writeInteger(UInt32(message.readableBytes))
        framed.writeImmutableBuffer(message)
        let data = HTTP2Frame.FramePayload.Data(data: .byteBuffer(framed), endStream: true)
        context.writeAndFlush(wrapOutboundOut(.data(data)), promise: nil)
        let seconds = exchange.timeoutSeconds
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) {
            bound.value.0.exchange.answer.fail(HTTPConnectionError.timedOut(seconds: seconds))
            bound.value.1.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let part):
            for (name, value, _) in part.headers { headers.add(name: name, value: value) }
            if part.endStream { finish() }
        case .data(let part):
            guard case .byteBuffer(var piece) = part.data else { return }
            body.writeBuffer(&piece)
            if part.endStream { finish() }
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        exchange.answer.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        exchange.answer.fail(HTTPConnectionError.closed)
    }

    private func finish() {
        timer?.cancel()
        let status = Self.httpStatus(headers.first(name: "grpc-status"))
        if status == 200 {
            body.moveReaderIndex(forwardBy: min(Self.prefixCount, body.readableBytes))
        } else {
            body = ByteBuffer(string: headers.first(name: "grpc-message") ?? "no message")
        }
        exchange.answer.succeed(HTTPAnswer(status: status, headers: headers, body: body))
    }

    private static func httpStatus(_ status: String?) -> Int {
        switch status {
        case "0": 200
        case "4": 504
        case "5": 404
        case "8": 429
        case "14": 503
        case "16": 401
        case nil: 502
        default: 400
        }
    }
}
