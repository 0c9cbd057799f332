import NIOCore

/// Stands between the socket and the HTTP decoder: counts bytes, and tells when the first bytes of a request come,
/// which the decoder keeps to itself until the head is complete.
final class SocketObserver: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let traffic: NetworkTraffic
    private let bytesArrived: (ByteBuffer) -> Void

    init(traffic: NetworkTraffic, bytesArrived: @escaping (ByteBuffer) -> Void) {
        self.traffic = traffic
        self.bytesArrived = bytesArrived
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        traffic.received(buffer.readableBytes)
        bytesArrived(buffer)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        traffic.sent(unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }
}
