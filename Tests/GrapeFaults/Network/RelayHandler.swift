import NIOCore

/// One end of a relayed connection: bytes read here are written at the partner's end.
///
/// While its direction is cut nothing is read here, so bytes pile up at the sender as they do when a network loses
/// every packet; an end of the connection is not passed on either. After healing both arrive late. Lives on one loop.
final class RelayHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The direction of the bytes that are read here.
    let direction: RaftProxy.Direction
    private var partner: RelayHandler?
    private var context: ChannelHandlerContext?
    private var isCut: Bool
    private var hasEnded = false
    private var wantsRead = false
    /// What a read that was under way when the link was cut has brought.
    private var held: [ByteBuffer] = []
    private let onEnd: (RelayHandler) -> Void

    init(_ direction: RaftProxy.Direction, isCut: Bool, onEnd: @escaping (RelayHandler) -> Void) {
        self.direction = direction
        self.isCut = isCut
        self.onEnd = onEnd
    }

    func join(_ partner: RelayHandler) {
        self.partner = partner
    }

    func setCut(_ cut: Bool) {
        isCut = cut
        guard !cut else { return }
        for bytes in held { partner?.write(bytes) }
        held = []
        partner?.context?.flush()
        if hasEnded { partner?.close() } else { resumeReading() }
    }

    func close() {
        context?.close(promise: nil)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func read(context: ChannelHandlerContext) {
        guard !isCut, partner?.isWritable ?? false else {
            wantsRead = true
            return
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isCut { held.append(unwrapInboundIn(data)) } else { partner?.write(unwrapInboundIn(data)) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.resumeReading() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        hasEnded = true
        if !isCut { partner?.close() }
        guard let partner, partner.hasEnded else { return }
        for end in [self, partner] {
            end.partner = nil
            onEnd(end)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private var isWritable: Bool { context?.channel.isWritable ?? false }

    private func write(_ bytes: ByteBuffer) {
        context?.write(wrapOutboundOut(bytes), promise: nil)
    }

    private func resumeReading() {
        guard wantsRead, !isCut, partner?.isWritable ?? false else { return }
        wantsRead = false
        context?.read()
    }
}
