import Foundation
import GrapeFaults
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// The proxy that fault tests cut links with: what it lets through, and what not.
@Suite(.timeLimit(.minutes(5)))
struct ClusterProxyTests {
    /// Two nodes of which this process plays both: the one that dials, and the one that sends back what it gets.
    private func rig() async throws -> (proxy: RaftProxy, caller: any Channel, received: Received, echo: any Channel) {
        let group = MultiThreadedEventLoopGroup.singleton
        let echo = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
            }.bind(host: "127.0.0.1", port: 0).get()
        let proxy = try await RaftProxy(targets: [1, echo.localAddress?.port ?? 0])
        proxy.set(process: ProcessInfo.processInfo.processIdentifier, of: 0)
        let received = Received()
        return (proxy, try await dial(proxy, received), received, echo)
    }

    private func dial(_ proxy: RaftProxy, _ received: Received) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }.connect(host: "127.0.0.1", port: proxy.ports[1]).get()
    }

    private func waits(for bytes: Int, in received: Received) async -> Bool {
        await poll(for: .seconds(60)) { received.bytes.withLock { $0 } == bytes }
    }

    @Test("bytes pass both ways; a stalled direction holds them back and delivers them after healing")
    func stalls() async throws {
        let (proxy, caller, received, echo) = try await rig()
        try await caller.writeAndFlush(ByteBuffer(string: "hello"))
        #expect(await waits(for: 5, in: received))
        for cut in [RaftProxy.Direction(from: 0, to: 1), .init(from: 1, to: 0)] {
            let before = received.bytes.withLock { $0 }
            await proxy.cut([cut], .stalls)
            try await caller.writeAndFlush(ByteBuffer(string: "12345"))
            #expect(!(await poll(for: .milliseconds(300)) { received.bytes.withLock { $0 } != before }))
            await proxy.heal()
            #expect(await waits(for: before + 5, in: received))
        }
        #expect(caller.isActive)
        try await caller.close()
        try await echo.close()
    }

    @Test("a link that resets ends its connections and takes no new ones until it is healed")
    func resets() async throws {
        let (proxy, caller, received, echo) = try await rig()
        try await caller.writeAndFlush(ByteBuffer(string: "hello"))
        #expect(await waits(for: 5, in: received))
        await proxy.isolate(1, .resets)
        #expect(await poll(for: .seconds(60)) { !caller.isActive })
        let refused = try? await dial(proxy, received)
        if let refused { #expect(await poll(for: .seconds(60)) { !refused.isActive }) }
        await proxy.heal()
        let again = try await dial(proxy, received)
        try await again.writeAndFlush(ByteBuffer(string: "world"))
        #expect(await waits(for: 10, in: received))
        try await again.close()
        try await echo.close()
    }

    @Test("connections that stalled can be reset as the link heals, so that nothing arrives late")
    func resetInTheEnd() async throws {
        let (proxy, caller, received, echo) = try await rig()
        try await caller.writeAndFlush(ByteBuffer(string: "hello"))
        #expect(await waits(for: 5, in: received))
        await proxy.cut([.init(from: 0, to: 1)], .stalls)
        try await caller.writeAndFlush(ByteBuffer(string: "late"))
        await proxy.heal(reset: true)
        #expect(await poll(for: .seconds(60)) { !caller.isActive })
        #expect(received.bytes.withLock { $0 } == 5)
        try await echo.close()
    }
}

private final class Received: Sendable {
    let bytes = Mutex(0)
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let received: Received

    init(_ received: Received) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.bytes.withLock { $0 += unwrapInboundIn(data).readableBytes }
    }
}

private final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(data, promise: nil)
    }
}
