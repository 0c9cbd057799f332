import GrapeModel
import Logging
import NIOCore

/// One connection between nodes, from either side: the handshake, then frames.
///
/// Thread safety: lives on its channel's event loop.
final class PeerChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case awaitsHello
        case awaitsChallenge(nonce: [UInt8])
        case awaitsProof(expected: [UInt8], PeerIdentity)
        case awaitsWelcome(PeerIdentity)
        case open(PeerIdentity)
        case closed
    }

    private let transport: Transport
    /// The link that dialled; nil on connections from others.
    private let link: PeerLink?
    private var phase: Phase
    private var reader: FrameReader
    private var received: ByteBuffer?
    private var lastArrival = NIODeadline.now()
    /// Requests whose answers have not left yet.
    private var requestsOpen = 0

    /// Of what lies in the buffer before the next frame.
    private static let readBytesMax = 1 << 16

    init(transport: Transport, link: PeerLink?) {
        self.transport = transport
        self.link = link
        phase = link == nil ? .awaitsHello : .awaitsChallenge(nonce: PeerHandshake.nonce())
        // Nobody who has not proved the token may make this node hold much.
        reader = FrameReader(bytesMax: 4_096)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        lastArrival = .now()
        watchSilence(context)
        guard case .awaitsChallenge(let nonce) = phase, let link else { return }
        let hello = PeerHandshake.Hello(isBulk: link.isBulk, nonce: nonce, identity: transport.identity)
        send(.hello, hello.encoded, context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastArrival = .now()
        if case .open(let peer) = phase, let number = peer.number { transport.heard(from: number) }
        var arrived = unwrapInboundIn(data)
        if received == nil || received?.readableBytes == 0 {
            received = arrived
        } else {
            received?.writeBuffer(&arrived)
        }
        do throws(FrameReader.Failure) {
            while var buffer = received, let frame = try reader.next(&buffer) {
                received = buffer
                take(frame, context)
                if case .closed = phase { return }
            }
            // What was read goes, else the buffer of a busy connection grows for as long as it ends within a frame.
            if let read = received?.readerIndex, read > Self.readBytesMax { received?.discardReadBytes() }
        } catch {
            refuse(Refusal("what arrived is no frame of the protocol between nodes (\(error))"), context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .open = phase {} else { transport.noteRefusal(of: link, "\(error)") }
        context.close(promise: nil)
    }

    private func end() {
        if case .closed = phase { return }
        let number: NodeNumber? = if case .open(let peer) = phase { peer.number } else { nil }
        phase = .closed
        if let link {
            link.broke()
        } else if let number {
            transport.left(number)
            transport.lost(number)
        }
    }

    // MARK: Handshake

    private func take(_ frame: Frame, _ context: ChannelHandlerContext) {
        switch (phase, frame.kind) {
        case (.awaitsHello, .hello): answer(hello: frame.body, context)
        case (.awaitsChallenge(let nonce), .challenge): answer(challenge: frame.body, nonce, context)
        case (.awaitsProof(let expected, let peer), .proof):
            guard PeerHandshake.isEqual(expected, frame.body) else {
                return refuse(PeerHandshake.wrongToken, context)
            }
            if let refusal = transport.entered(peer) { return refuse(refusal, context) }
            send(.welcome, [], context)
            open(peer, context)
        case (.awaitsWelcome(let peer), .welcome):
            open(peer, context)
            link?.opened(context.channel)
        case (_, .refused):
            transport.noteRefusal(of: link, String(decoding: frame.body.prefix(1_024), as: UTF8.self))
            close(context)
        case (.open(let peer), _): take(frame, from: peer, context)
        default: refuse(Refusal("a frame came that has no place in the handshake"), context)
        }
    }

    private func answer(hello bytes: [UInt8], _ context: ChannelHandlerContext) {
        let own = transport.identity
        switch PeerHandshake.readHello(bytes) {
        case .failure(let refusal): refuse(refusal, context)
        case .success(let hello):
            if let refusal = PeerHandshake.refusal(own, hello.identity) { return refuse(refusal, context) }
            let nonce = PeerHandshake.nonce()
            func proof(_ side: StaticString) -> [UInt8] {
                PeerHandshake.proof(
                    of: side, token: transport.options.token, client: hello.nonce, server: nonce, hello.identity, own)
            }
            phase = .awaitsProof(expected: proof("client"), hello.identity)
            send(
                .challenge, PeerHandshake.Challenge(nonce: nonce, identity: own, proof: proof("server")).encoded,
                context)
        }
    }

    private func answer(challenge bytes: [UInt8], _ nonce: [UInt8], _ context: ChannelHandlerContext) {
        let own = transport.identity
        switch PeerHandshake.readChallenge(bytes) {
        case .failure(let refusal): refuse(refusal, context)
        case .success(let challenge):
            func proof(_ side: StaticString) -> [UInt8] {
                PeerHandshake.proof(
                    of: side, token: transport.options.token, client: nonce, server: challenge.nonce, own,
                    challenge.identity)
            }
            guard PeerHandshake.isEqual(challenge.proof, proof("server")) else {
                return refuse(PeerHandshake.wrongToken, context)
            }
            if let refusal = PeerHandshake.refusal(own, challenge.identity) { return refuse(refusal, context) }
            if let expected = link?.number, let found = challenge.identity.number, expected != found {
                return refuse(
                    Refusal("\(link?.address.description ?? "") is node number \(found), not \(expected)"), context)
            }
            phase = .awaitsWelcome(challenge.identity)
            send(.proof, proof("client"), context)
        }
    }

    private func open(_ peer: PeerIdentity, _ context: ChannelHandlerContext) {
        phase = .open(peer)
        reader = FrameReader(bytesMax: transport.options.frameBytesMax)
    }

    private func refuse(_ refusal: Refusal, _ context: ChannelHandlerContext) {
        transport.noteRefusal(of: link, refusal.description)
        send(.refused, Array(refusal.description.utf8), context)
        close(context)
    }

    private func close(_ context: ChannelHandlerContext) {
        end()
        context.close(promise: nil)
    }

    // MARK: Frames

    private func take(_ frame: Frame, from peer: PeerIdentity, _ context: ChannelHandlerContext) {
        // This node may have come to know its cluster after the handshake.
        if let refusal = PeerHandshake.refusal(transport.identity, peer) { return refuse(refusal, context) }
        switch frame.kind {
        case .messages:
            guard let number = peer.number, let messages = [GroupMessage](encoded: frame.body) else {
                return refuse(Refusal("messages came that this build can't read"), context)
            }
            transport.received(messages, from: number)
        case .report:
            if let number = peer.number { transport.handler?.receivedReport(frame.body, from: number) }
        case .read:
            guard let number = peer.number, let exchange = ReadExchange(encoded: frame.body) else {
                return close(context)
            }
            transport.handler?.received(exchange, from: number)
        case .request: answer(request: frame.body, from: peer, context)
        case .answer: link?.answered(frame.body)
        case .overloaded: link?.notTaken(frame.body)
        // One who does not read gets no more of them.
        case .ping: if context.channel.isWritable { send(.pong, [], context) }
        case .pong: break
        case .hello, .challenge, .proof, .welcome, .refused: close(context)
        }
    }

    private func answer(request: [UInt8], from peer: PeerIdentity, _ context: ChannelHandlerContext) {
        guard request.count >= 8, let handler = transport.handler else { return close(context) }
        let number = Array(request[..<8])
        guard requestsOpen < transport.options.requestsMax else {
            guard context.channel.isWritable else { return close(context) }
            return send(.overloaded, number, context)
        }
        requestsOpen += 1
        let body = Array(request[8...])
        let channel = context.channel
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        Task(executorPreference: PeerRequest.isShortWrite(body) ? transport.executor : nil) {
            let answer = await handler.answer(body, from: peer)
            let frame = Frame(kind: .answer, body: number + answer).encoded(compresses: true)
            channel.writeAndFlush(channel.allocator.buffer(bytes: frame)).whenComplete { _ in
                bound.value.requestsOpen -= 1
            }
        }
    }

    private func send(_ kind: Frame.Kind, _ body: [UInt8], _ context: ChannelHandlerContext) {
        let bytes = Frame(kind: kind, body: body).encoded(compresses: false)
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    /// Pings, and gives up a connection on which nothing arrives.
    private func watchSilence(_ context: ChannelHandlerContext) {
        let silence = TimeAmount.milliseconds(Int64(transport.options.silenceMilliseconds))
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .nanoseconds(silence.nanoseconds / 4)) {
            let (handler, context) = bound.value
            if case .closed = handler.phase { return }
            guard context.channel.isActive else { return }
            if NIODeadline.now() - handler.lastArrival > silence { return handler.close(context) }
            if case .open = handler.phase { handler.send(.ping, [], context) }
            handler.watchSilence(context)
        }
    }
}
