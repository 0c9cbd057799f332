import NIOCore
import NIOSSL

/// Looks at the first bytes of a connection on `raft_port`: TLS, a scrape of `/raft/metrics`, or another node.
///
/// Thread safety: lives on its channel's event loop.
final class PeerSniffer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A handshake's record, and its major version. Two bytes are looked at, since one of them alone may be what the length
    /// of a hello begins with: so `G`, where the sender's node id has one byte.
    private static let tlsHandshake: [UInt8] = [0x16, 0x03]
    private static let get = Array("GE".utf8)
    private static let headBytesMax = 8_192
    private static let headTimeout = TimeAmount.seconds(5)

    private let transport: Transport
    private let tls: NIOSSLContext?
    /// Whether TLS is still to be looked for; behind it only nodes are taken.
    private let isBehindTLS: Bool
    private var received: ByteBuffer?
    private var isScrape = false

    init(transport: Transport, tls: NIOSSLContext?, isBehindTLS: Bool = false) {
        self.transport = transport
        self.tls = tls
        self.isBehindTLS = isBehindTLS
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.headTimeout) {
            let (handler, context) = bound.value
            if !handler.isDone { context.close(promise: nil) }
        }
    }

    private var isDone = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var arrived = unwrapInboundIn(data)
        if received == nil { received = arrived } else { received?.writeBuffer(&arrived) }
        guard !isScrape else { return readScrape(context) }
        guard let first = received?.getBytes(at: received?.readerIndex ?? 0, length: 2) else { return }
        if first == Self.tlsHandshake, let tls, !isBehindTLS {
            return hand(
                context,
                [NIOSSLServerHandler(context: tls), PeerSniffer(transport: transport, tls: nil, isBehindTLS: true)])
        }
        if first == Self.get {
            isScrape = true
            return readScrape(context)
        }
        guard tls == nil else {
            transport.noteRefusal(of: nil, "a connection without TLS: this node has tls.ca_file set, all nodes need it")
            return context.close(promise: nil)
        }
        hand(context, [PeerChannelHandler(transport: transport, link: nil)])
    }

    /// Puts others in this handler's place; they get what has arrived.
    private func hand(_ context: ChannelHandlerContext, _ handlers: [any ChannelHandler]) {
        isDone = true
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandlers(handlers, position: .after(self))
        } catch {
            return context.close(promise: nil)
        }
        if let received { context.fireChannelRead(wrapInboundOut(received)) }
        received = nil
        context.fireChannelReadComplete()
        pipeline.removeHandler(self, promise: nil)
    }

    typealias InboundOut = ByteBuffer

    // MARK: Scrapes

    private func readScrape(_ context: ChannelHandlerContext) {
        guard let received, !isDone else { return }
        guard received.readableBytes <= Self.headBytesMax else { return context.close(promise: nil) }
        let head = received.getString(at: received.readerIndex, length: received.readableBytes) ?? ""
        guard head.contains("\r\n\r\n") else { return }
        isDone = true
        let target = head.split(separator: " ", maxSplits: 2).dropFirst().first ?? ""
        guard target == "/raft/metrics" || target.hasPrefix("/raft/metrics?") else {
            return answer("404 Not Found", Array("not found\n".utf8), context.channel)
        }
        let channel = context.channel
        let handler = transport.handler
        Task { answer("200 OK", await handler?.metricsPage() ?? [], channel) }
    }
}

private func answer(_ status: String, _ body: [UInt8], _ channel: any Channel) {
    let head =
        "HTTP/1.1 \(status)\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
    let buffer = channel.allocator.buffer(bytes: Array(head.utf8) + body)
    channel.writeAndFlush(buffer).whenComplete { _ in channel.close(promise: nil) }
}
