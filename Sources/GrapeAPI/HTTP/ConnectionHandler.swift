// HOT PATH
import GrapeModel
import NIOCore
import NIOHTTP1

/// Carries one HTTP/1.1 connection: collects each request, hands it to the service, writes the answer.
///
/// `ConnectionState` decides; this handler holds the parts, the body and the timer. Everything runs on the channel's
/// event loop except the service's `answer`, which has a task of its own and comes back by `complete`.
final class ConnectionHandler<Service: HTTPService>: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    let service: Service
    let limits: ConnectionLimits
    let load: ServerLoad
    let recorder: RequestRecorder
    private let room: ServerLoad.Room
    var state: ConnectionState
    var context: ChannelHandlerContext?

    // The request under way.
    var admission: Admission<Service.Call>?
    var progress = CallProgress()
    var body: [UInt8] = []
    private var bodyCount = 0
    var heldCount = 0
    var isHead = false
    var isHTTP10 = false
    var startedAt = NIODeadline.now()

    // What came too early or can't be read.
    var laterParts = CircularBuffer<HTTPServerRequestPart>()
    var isTakingLaterParts = false
    var laterFailure: GrapeError?
    var isReadHeld = false
    var sawTargetEnd = false
    var lingeredBytes = 0
    var timer: Scheduled<Void>?
    var timerDeadline = NIODeadline.distantFuture

    init(
        service: Service, limits: ConnectionLimits, load: ServerLoad, room: ServerLoad.Room, recorder: RequestRecorder
    ) {
        self.service = service
        self.limits = limits
        self.load = load
        self.room = room
        self.recorder = recorder
        state = ConnectionState(limits: limits, now: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        watchDeadline()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.closed()
        releaseBody()
        timer?.cancel()
        timer = nil
        self.context = nil
        context.fireChannelInactive()
    }

    /// Raw bytes, before they are decoded.
    func bytesArrived(_ bytes: ByteBuffer) {
        switch state.phase {
        case .idle:
            sawTargetEnd = false
            startedAt = .now()
            state.bytesArrived(now: startedAt)
            watchDeadline()
            fallthrough
        case .readingHead:
            if !sawTargetEnd { sawTargetEnd = bytes.readableBytesView.contains(UInt8(ascii: "\n")) }
        case .lingering:
            lingeredBytes += bytes.readableBytes
            if lingeredBytes > ConnectionLimits.lingerBytesMax { context?.close(promise: nil) }
        case .readingBody, .answering, .writing, .closed: break
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if state.holdsParts {
            laterParts.append(part)
        } else {
            take(part)
        }
    }

    func read(context: ChannelHandlerContext) {
        if state.holdsParts {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            if state.stop() == .close { context.close(promise: nil) }
        } else if event as? ChannelEvent == .inputClosed {
            if state.inputClosed() == .close { context.close(promise: nil) }
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let failure = GrapeError(protocolError: error, targetIsComplete: sawTargetEnd) else {
            context.close(promise: nil)
            return
        }
        if state.holdsParts {
            laterFailure = failure
        } else {
            refuse(failure)
        }
    }

    // MARK: A request's parts

    func take(_ part: HTTPServerRequestPart) {
        switch (part, state.phase) {
        case (.head(let head), .idle), (.head(let head), .readingHead): begin(head)
        case (.body(let bytes), .readingBody): append(bytes)
        case (.end, .readingBody): end()
        default: break  // after the last answer
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        let now = NIODeadline.now()
        startedAt = now
        isHead = head.method == .HEAD
        isHTTP10 = !head.isHTTP11
        bodyCount = 0
        progress = CallProgress()
        // The decoder reads nothing after a request that asks for another protocol.
        let keepAlive = head.isKeepAlive && !head.headers.contains(name: "upgrade")
        state.headArrived(keepAlive: keepAlive, now: now)
        if let failure = head.failure(limits: limits) {
            refuse(failure)
            return
        }
        let admission = service.admit(head)
        guard room == .any || admission.operation == .health else {
            refuse(GrapeError(.unavailable, "this node has as many connections as it takes (server.max_connections)"))
            return
        }
        self.admission = admission
        guard case .call = admission.decision else {
            if head.expectsContinue { answer(decided(admission), closes: true) }
            return
        }
        if let count = head.contentLength {
            body.reserveCapacity(min(count, ConnectionLimits.bodyReserveBytesMax))
        }
        if head.expectsContinue {
            context?.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
    }

    private func append(_ bytes: ByteBuffer) {
        bodyCount += bytes.readableBytes
        guard bodyCount <= limits.bodyBytesMax else {
            refuse(.bodyTooLarge(limits))
            return
        }
        guard let admission, case .call = admission.decision else { return }
        guard load.holdBody(bytes.readableBytes, limits) else {
            refuse(GrapeError(.overloaded, "the requests under way hold as much memory as this node gives them"))
            return
        }
        heldCount += bytes.readableBytes
        body.append(contentsOf: bytes.readableBytesView)
    }

    private func end() {
        guard let admission, let context else { return }
        state.endArrived(now: .now(), timeLimit: admission.timeLimit)
        watchDeadline()
        guard case .call(let call) = admission.decision else {
            answer(decided(admission), closes: false)
            return
        }
        let request = state.request
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        // The body's bytes count as held until the call ends, also where its answer is no longer awaited.
        Task(executorPreference: service.executor(call)) {
            [service, progress, body, load, heldCount, eventLoop = context.eventLoop] in
            let answer = await service.answer(call, body: body, progress: progress)
            load.releaseBody(heldCount)
            eventLoop.execute { bound.value.complete(answer, of: request) }
        }
        body = []
        heldCount = 0
    }

    private func decided(_ admission: Admission<Service.Call>) -> HTTPAnswer {
        guard case .answer(let answer) = admission.decision else {
            preconditionFailure("a call that its head did not decide")
        }
        return answer
    }

    private func complete(_ answer: HTTPAnswer, of request: Int) {
        guard request == state.request, state.phase == .answering else { return }
        self.answer(answer, closes: false)
    }
}
