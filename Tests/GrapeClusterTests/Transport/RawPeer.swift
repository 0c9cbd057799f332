import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

/// A bare connection, which says what a test tells it to.
final class RawPeer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private struct State {
        var channel: (any Channel)?
        var received: [UInt8] = []
        var isClosed = false
        /// Pings answered so far; nil where the test answers them, or nobody.
        var pongs: Int?
    }

    private let state = Mutex(State())

    static func connect(_ port: Int, tls: NIOSSLContext? = nil) async throws -> RawPeer {
        let peer = RawPeer()
        _ = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: nil))
                    }
                    try channel.pipeline.syncOperations.addHandler(peer)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return peer
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        state.withLock { $0.channel = channel }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        state.withLock { $0.received += bytes }
        pong()
    }

    /// From now on pings are answered as they come, on the connection's loop.
    func answerPings() {
        state.withLock { $0.pongs = 0 }
        pong()
    }

    var pongs: Int { state.withLock { $0.pongs } ?? 0 }

    private func pong() {
        let new = state.withLock { state in
            guard let pongs = state.pongs else { return 0 }
            let pings = WireProtocol.frames(state.received).count { $0.kind == 10 }
            state.pongs = max(pings, pongs)
            return max(pings - pongs, 0)
        }
        for _ in 0..<new { send(WireProtocol.frame(.pong, [])) }
    }

    func channelInactive(context: ChannelHandlerContext) { state.withLock { $0.isClosed = true } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    var received: [UInt8] { state.withLock { $0.received } }
    var frames: [WireProtocol.Frame] { WireProtocol.frames(received) }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    func send(_ bytes: [UInt8]) {
        guard let channel = state.withLock({ $0.channel }) else { return }
        channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
    }

    func stopReading() async throws {
        guard let channel = state.withLock({ $0.channel }) else { return }
        try await channel.setOption(.autoRead, value: false).get()
    }

    func close() { state.withLock { $0.channel }?.close(promise: nil) }

    /// Says hello and proves the token. -> whether it was welcome.
    func enter(
        as identity: WireProtocol.Identity, token: String?, nonce: [UInt8] = WireProtocol.nonce
    ) async throws -> Bool {
        send(WireProtocol.hello(identity, nonce: nonce))
        try await until { self.isClosed || !self.frames.isEmpty }
        guard let challenge = frames.first, challenge.kind == 2 else { return false }
        let server = Array(challenge.body[2..<34])
        let other = Array(challenge.body[34..<(challenge.body.count - 32)])
        send(
            WireProtocol.frame(
                .proof,
                WireProtocol.proof("client", token: token, client: nonce, server: server, identity.bytes, other)))
        try await until { self.isClosed || self.frames.count > 1 }
        return frames.count > 1 && frames[1].kind == 4
    }

    var refusal: String? { frames.first { $0.kind == 5 }.map { String(decoding: $0.body, as: UTF8.self) } }
}

/// A port on which a test answers for a node.
final class RawServer: Sendable {
    let port: Int
    private let channel: any Channel
    private let peers: Mutex<[RawPeer]>

    private init(_ channel: any Channel, _ peers: Accepted) {
        self.channel = channel
        port = channel.localAddress?.port ?? 0
        accepted = peers
        self.peers = Mutex([])
    }

    private let accepted: Accepted

    final class Accepted: Sendable {
        let peers = Mutex<[RawPeer]>([])
    }

    static func open(closesAtOnce: Bool = false) async throws -> RawServer {
        let accepted = Accepted()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let peer = RawPeer()
                    try channel.pipeline.syncOperations.addHandler(peer)
                    accepted.peers.withLock { $0.append(peer) }
                    if closesAtOnce { channel.close(promise: nil) }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawServer(channel, accepted)
    }

    var connections: [RawPeer] { accepted.peers.withLock { $0 } }

    func close() { channel.close(promise: nil) }

    /// The connection of this number, once it is there.
    func connection(_ number: Int = 0) async throws -> RawPeer {
        try await until { self.connections.count > number }
        return connections[number]
    }

    /// Plays the answering side of the handshake on a connection.
    func welcome(_ peer: RawPeer, as identity: WireProtocol.Identity, token: String?) async throws {
        try await until { !peer.frames.isEmpty }
        let hello = peer.frames[0].body
        let nonce = [UInt8](repeating: 9, count: 32)
        let proof = WireProtocol.proof(
            "server", token: token, client: Array(hello[7..<39]), server: nonce, Array(hello[39...]), identity.bytes)
        peer.send(
            WireProtocol.frame(.challenge, WireProtocol.little(1, 2) + nonce + identity.bytes + proof)
                + WireProtocol.frame(.welcome, []))
        try await until { peer.frames.count > 1 }
        #expect(peer.frames[1].kind == 3)
    }
}

/// Waits until something holds, some seconds at most.
func until(
    seconds: Double = 60, _ sourceLocation: SourceLocation = #_sourceLocation, _ holds: () async -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while await !holds() {
        try #require(ContinuousClock.now < end, "nothing came of it", sourceLocation: sourceLocation)
        try await Task.sleep(for: .milliseconds(1))
    }
}
