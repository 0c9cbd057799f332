import NIOCore
import NIOPosix
import Synchronization

/// Stands in front of the raft ports of all nodes on this machine, and cuts links between them, each direction by
/// itself.
///
/// Each node advertises the proxy's port for it. Who dials is told by the process that owns the socket; nobody but the
/// nodes is let through, as a connection of an unknown owner would get around every cut.
///
/// Thread safety: relays live on one event loop; what the loop and callers share is behind one lock.
package final class RaftProxy: Sendable {
    package struct Direction: Sendable, Hashable {
        package let from: Int
        package let to: Int

        package init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }
    }

    /// What a cut does to connections.
    package enum CutStyle: String, Sendable, CaseIterable {
        /// Bytes are held back, and come late once the link heals.
        case stalls
        /// Connections are reset, new ones are closed at once.
        case resets
    }

    private struct State {
        var cuts: [Direction: CutStyle] = [:]
        var processes: [Int32: Int] = [:]
    }

    private let loop: any EventLoop
    private let group: MultiThreadedEventLoopGroup
    private let targets: [Int]
    private let state = Mutex(State())
    private let relays: NIOLoopBoundBox<[ObjectIdentifier: RelayHandler]>
    private let listeners = Mutex<[any Channel]>([])

    /// Where each node is to be dialled.
    package var ports: [Int] { listeners.withLock { $0.map { $0.localAddress?.port ?? 0 } } }

    /// - Parameter targets: the raft ports on which the nodes listen.
    package init(targets: [Int]) async throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
        self.targets = targets
        relays = NIOLoopBoundBox.makeBoxSendingValue([:], eventLoop: loop)
        for node in targets.indices {
            let bootstrap = ServerBootstrap(group: group)
                .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { [weak self] inbound in
                    guard let self else { return inbound.eventLoop.makeFailedFuture(ChannelError.eof) }
                    return accept(inbound, for: node)
                }
            let listener = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            listeners.withLock { $0.append(listener) }
        }
    }

    deinit {
        group.shutdownGracefully { _ in }
    }

    /// From now on connections of this process are the node's.
    package func set(process: Int32, of node: Int) {
        state.withLock { state in
            state.processes = state.processes.filter { $0.value != node }
            state.processes[process] = node
        }
    }

    // MARK: Cutting and healing

    package func cut(_ directions: some Sequence<Direction>, _ style: CutStyle) async {
        state.withLock { state in
            for direction in directions { state.cuts[direction] = style }
        }
        await update(reset: false)
    }

    /// Cuts a node off from all others, both ways.
    package func isolate(_ node: Int, _ style: CutStyle) async {
        await cut(outgoing(node) + incoming(node), style)
    }

    package func outgoing(_ node: Int) -> [Direction] {
        targets.indices.filter { $0 != node }.map { Direction(from: node, to: $0) }
    }

    package func incoming(_ node: Int) -> [Direction] {
        targets.indices.filter { $0 != node }.map { Direction(from: $0, to: node) }
    }

    /// Heals all links.
    ///
    /// - Parameter reset: resets the connections that were cut, so that nothing arrives late.
    package func heal(reset: Bool = false) async {
        if reset { await update(reset: true) }
        state.withLock { $0.cuts = [:] }
        await update(reset: false)
    }

    private func update(reset: Bool) async {
        let cuts = state.withLock { $0.cuts }
        let relays = relays
        try? await loop.submit {
            for relay in Array(relays.value.values) {
                let style = cuts[relay.direction]
                if style == .resets || reset && style != nil { relay.close() } else { relay.setCut(style != nil) }
            }
        }.get()
    }
}

// MARK: - Relaying

extension RaftProxy {
    private func accept(_ inbound: any Channel, for target: Int) -> EventLoopFuture<Void> {
        guard let source = source(of: inbound) else {
            return loop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        let there = Direction(from: source, to: target)
        let back = Direction(from: target, to: source)
        let cuts = state.withLock { $0.cuts }
        guard cuts[there] != .resets, cuts[back] != .resets else {
            return loop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        return ClientBootstrap(group: loop)
            .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(ChannelOptions.autoRead, value: false)
            .connect(host: "127.0.0.1", port: targets[target])
            .flatMapThrowing { outbound in try self.join(inbound, outbound, there: there, back: back) }
    }

    private func source(of inbound: any Channel) -> Int? {
        let processes = state.withLock { $0.processes }
        guard let dialled = inbound.localAddress?.port, let dialling = inbound.remoteAddress?.port,
            let owner = SocketOwner.process(
                localPort: dialling, remotePort: dialled, among: processes.keys.sorted())
        else { return nil }
        return processes[owner]
    }

    private func join(_ inbound: any Channel, _ outbound: any Channel, there: Direction, back: Direction) throws {
        let cuts = state.withLock { $0.cuts }
        let relays = relays
        let near = RelayHandler(there, isCut: cuts[there] != nil) { relays.value[ObjectIdentifier($0)] = nil }
        let far = RelayHandler(back, isCut: cuts[back] != nil) { relays.value[ObjectIdentifier($0)] = nil }
        near.join(far)
        far.join(near)
        for relay in [near, far] { relays.value[ObjectIdentifier(relay)] = relay }
        try outbound.pipeline.syncOperations.addHandler(far)
        try inbound.pipeline.syncOperations.addHandler(near)
        outbound.setOption(ChannelOptions.autoRead, value: true).whenComplete { _ in }
    }
}
