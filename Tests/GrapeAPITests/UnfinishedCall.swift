import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// A gRPC call whose request never ends: headers, and then nothing.
enum UnfinishedCall {
    /// -> the headers of the answer; the stream is closed after 120 s at the latest.
    static func make(_ path: String, port: Int) async throws -> HPACKHeaders {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: HPACKHeaders.self)
        let (channel, streams) = try await ClientBootstrap(group: loop).connect(host: "127.0.0.1", port: port) {
            channel in
            channel.configureHTTP2Pipeline(
                mode: .client, connectionConfiguration: .init(), streamConfiguration: .init()
            ) { $0.close() }
            .map { (channel, $0) }
        }
        streams.createStreamChannel(promise: nil) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(UnfinishedCallHandler(path, answer))
            }
        }
        loop.scheduleTask(in: .seconds(120)) { answer.fail(ChannelError.eof) }
        let headers = try await answer.futureResult.get()
        try await channel.close()
        return headers
    }
}

private final class UnfinishedCallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let path: String
    private let answer: EventLoopPromise<HPACKHeaders>

    init(_ path: String, _ answer: EventLoopPromise<HPACKHeaders>) {
        self.path = path
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        let headers = HPACKHeaders([
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
            ("content-type", "application/grpc"), ("te", "trailers"),
        ])
        context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .headers(let part) = unwrapInboundIn(data), part.endStream { answer.succeed(part.headers) }
    }

    func channelInactive(context: ChannelHandlerContext) { answer.fail(ChannelError.eof) }
}
