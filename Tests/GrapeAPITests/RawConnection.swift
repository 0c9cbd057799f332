import GrapeModel
import NIOCore
import NIOPosix

/// A TCP connection that a test writes bytes to as it likes. It is closed after 120 s at the latest, so no test hangs.
final class RawConnection {
    struct Response {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }

        func json() throws -> JSONValue { try JSONValue(parsing: text) }

        /// `code` of the error form.
        var errorCode: String? { (try? json())?["error"]?["code"]?.stringValue }
        var errorMessage: String? { (try? json())?["error"]?["message"]?.stringValue }
    }

    struct Closed: Error {}

    private let channel: any Channel
    private var events: AsyncStream<ByteBuffer>.AsyncIterator
    private var received: [UInt8] = []

    static func open(port: Int) async throws -> RawConnection {
        let (stream, continuation) = AsyncStream<ByteBuffer>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Receiver(continuation))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        channel.eventLoop.scheduleTask(in: .seconds(120)) { channel.close(promise: nil) }
        return RawConnection(channel, stream)
    }

    private init(_ channel: any Channel, _ stream: AsyncStream<ByteBuffer>) {
        self.channel = channel
        events = stream.makeAsyncIterator()
    }

    deinit { channel.close(promise: nil) }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: bytes)).get()
    }

    /// No more will be sent; what comes back is still read.
    func finish() async throws { try await channel.close(mode: .output).get() }

    func close() async throws { try await channel.close().get() }

    /// The next complete response. Throws `Closed` where the server closes before it is complete.
    func response(toHead: Bool = false) async throws -> Response {
        while true {
            if let response = parse(toHead: toHead) { return response }
            guard let more = await events.next() else { throw Closed() }
            received += Array(more.readableBytesView)
        }
    }

    /// Waits until the server closes. -> what came before, unread.
    func untilClosed() async -> String {
        while let more = await events.next() { received += Array(more.readableBytesView) }
        return String(decoding: received, as: UTF8.self)
    }

    private func parse(toHead: Bool) -> Response? {
        let end = Array("\r\n\r\n".utf8)
        guard let start = received.indices.first(where: { received[$0...].starts(with: end) }) else { return nil }
        let lines = String(decoding: received[..<start], as: UTF8.self).split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let sides = line.split(separator: ":", maxSplits: 1)
            if sides.count == 2 { headers[sides[0].lowercased()] = String(sides[1].drop { $0 == " " }) }
        }
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let length = toHead || status == 100 ? 0 : headers["content-length"].flatMap { Int($0) } ?? 0
        let bodyStart = start + end.count
        guard received.count >= bodyStart + length else { return nil }
        let body = Array(received[bodyStart..<bodyStart + length])
        received.removeFirst(bodyStart + length)
        return Response(status: status, headers: headers, body: body)
    }
}

private final class Receiver: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let continuation: AsyncStream<ByteBuffer>.Continuation

    init(_ continuation: AsyncStream<ByteBuffer>.Continuation) { self.continuation = continuation }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { continuation.finish() }
    }

    func channelInactive(context: ChannelHandlerContext) { continuation.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
