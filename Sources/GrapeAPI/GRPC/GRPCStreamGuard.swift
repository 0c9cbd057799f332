import GrapeModel
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Stands before gRPC in the pipeline of every call: bounds the size of a request, what all requests together hold of
/// memory, and the time in which a request has to arrive. Where gRPC itself would drop the stream it says why.
final class GRPCStreamGuard: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private static let prefixCount = 5

    private let load: ServerLoad
    private let limits: ConnectionLimits
    private var heldCount = 0
    /// What is there of the first message's prefix: whether it is compressed, and its length in four bytes.
    private var prefix: [UInt8] = []
    private var timer: Scheduled<Void>?
    private var hasArrived = false
    private var isRefused = false
    /// A stream of questions may go on as long as they come.
    private var isConversation = false

    init(load: ServerLoad, limits: ConnectionLimits) {
        self.load = load
        self.limits = limits
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        switch unwrapInboundIn(data) {
        case .headers(let head):
            isConversation = head.headers.first(name: ":path")?.hasPrefix("/grpc.") ?? false
            hasArrived = head.endStream
        case .data(let part):
            let count = part.data.readableBytes
            guard isAllowed(part.data) else {
                let error = "the message is larger than \(limits.bodyBytesMax) bytes, the most that is allowed"
                return refuse(GrapeError(.tooLarge, error), context)
            }
            guard load.holdBody(count, limits) else {
                let error = "the requests under way hold as much memory as this node gives them"
                return refuse(GrapeError(.overloaded, error), context)
            }
            heldCount += count
            hasArrived = part.endStream
        default: break
        }
        if hasArrived || isConversation { stopTimer() }
        context.fireChannelRead(data)
    }

    /// Whether the length that the message announces is within the limit.
    private func isAllowed(_ data: IOData) -> Bool {
        guard prefix.count < Self.prefixCount, case .byteBuffer(let bytes) = data else { return true }
        prefix += bytes.readableBytesView.prefix(Self.prefixCount - prefix.count)
        guard prefix.count == Self.prefixCount else { return true }
        return prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) } <= limits.bodyBytesMax
    }

    /// A request that came whole needs no timer, and most do.
    func channelReadComplete(context: ChannelHandlerContext) {
        if !hasArrived, !isRefused, timer == nil {
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            timer = context.eventLoop.scheduleTask(in: limits.requestTimeout) {
                let (guardian, context) = bound.value
                guardian.refuse(GrapeError(.requestTimeout, "the request did not arrive in time"), context)
            }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        release()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { release() }

    /// Answers without a head, as gRPC allows where there is nothing but a status, and ends the stream.
    private func refuse(_ error: GrapeError, _ context: ChannelHandlerContext) {
        isRefused = true
        release()
        let headers = HPACKHeaders([
            (":status", "200"), ("content-type", "application/grpc"),
            ("grpc-status", String(error.code.rpcCode.rawValue)), ("grpc-message", error.message),
            ("grape-error-code", error.code.rawValue),
        ])
        context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: headers, endStream: true))), promise: nil)
        closeLater(context)
    }

    /// Closing at once would reset the stream, and clients take the reset for the answer. Those that have read the
    /// answer end the stream themselves; what the others still send is dropped.
    private func closeLater(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: limits.lingerTimeout) { bound.value.close(promise: nil) }
    }

    private func release() {
        load.releaseBody(heldCount)
        heldCount = 0
        stopTimer()
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }
}
