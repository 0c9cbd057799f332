import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Plays a node: answers as it is told, and remembers what it was asked.
///
/// Thread safety: what is remembered and how to answer is guarded by the mutex.
final class FakeNode: Sendable {
    enum Reaction: Sendable {
        case answer(Int, String, retryAfter: Int? = nil)
        /// Closes the connection without an answer.
        case breakOff
        /// Never answers.
        case hang
        /// Begins an answer that never ends.
        case hangInTheBody
    }

    struct Request: Sendable {
        let method: String
        let path: String
        let key: String?
        let body: String
    }

    private struct State {
        var health = 200
        var reactions: [Reaction] = []
        var requests: [Request] = []
        var healthRequests = 0
    }

    private let state = Mutex(State())
    private let port = Atomic<Int>(0)
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    /// - Parameter reactions: one for each request but those after health; the last one stays.
    static func start(_ reactions: Reaction...) async throws -> FakeNode {
        let node = FakeNode()
        node.state.withLock { $0.reactions = reactions }
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(FakeNodeHandler(node))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        node.channel.withLock { $0 = channel }
        node.port.store(channel.localAddress?.port ?? 0, ordering: .relaxed)
        return node
    }

    var url: String { "http://127.0.0.1:\(port.load(ordering: .relaxed))" }
    var requests: [Request] { state.withLock { $0.requests } }
    var healthRequests: Int { state.withLock { $0.healthRequests } }

    func setHealth(_ status: Int) { state.withLock { $0.health = status } }

    func stop() async { try? await channel.withLock { $0 }?.close() }

    fileprivate func react(to request: Request) -> Reaction {
        state.withLock { state in
            if request.path == "/health" {
                state.healthRequests += 1
                return .answer(state.health, #"{"status":"ok"}"#)
            }
            state.requests.append(request)
            return state.reactions.count > 1 ? state.reactions.removeFirst() : state.reactions[0]
        }
    }
}

private final class FakeNodeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let node: FakeNode
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(_ node: FakeNode) { self.node = node }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(var part): body.writeBuffer(&part)
        case .end:
            guard let head else { return }
            let request = FakeNode.Request(
                method: head.method.rawValue, path: head.uri, key: head.headers.first(name: "Idempotency-Key"),
                body: String(buffer: body))
            carryOut(node.react(to: request), context)
        }
    }

    private func carryOut(_ reaction: FakeNode.Reaction, _ context: ChannelHandlerContext) {
        switch reaction {
        case .answer(let status, let text, let retryAfter):
            var headers: HTTPHeaders = ["Content-Length": String(text.utf8.count)]
            if let retryAfter { headers.add(name: "Retry-After", value: String(retryAfter)) }
            write(status, headers, context)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .hangInTheBody:
            write(200, ["Content-Length": "100"], context)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "{")))), promise: nil)
        case .breakOff: context.close(promise: nil)
        case .hang: break
        }
    }

    private func write(_ status: Int, _ headers: HTTPHeaders, _ context: ChannelHandlerContext) {
        let head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
    }
}
