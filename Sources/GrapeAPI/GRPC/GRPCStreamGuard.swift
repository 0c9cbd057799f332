import GrapeModel
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Stands before gRPC in the pipeline of every call: bounds what all requests together hold of memory, and the time in
/// which a request has to arrive.
final class GRPCStreamGuard: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let load: ServerLoad
    private let limits: ConnectionLimits
    private var heldCount = 0
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
        context.close(promise: nil)
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
