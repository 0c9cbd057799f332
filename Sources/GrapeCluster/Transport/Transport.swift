import GrapeModel
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Node-to-node traffic: listens on `raft_port`, keeps a connection to every member for messages and small requests and
/// another for large ones, and answers `GET /raft/metrics` on the same port.
///
/// Messages may get lost, as on any wire: Raft sends again. Requests tell whether they may have arrived.
///
/// Thread safety: `state` is guarded by its mutex; links and handlers guard themselves.
package final class Transport: Sendable, MessageSender, PeerRequests {
    private struct State {
        var identity: PeerIdentity
        var links: [NodeNumber: (quick: PeerLink, bulk: PeerLink)] = [:]
        /// Links of the bootstrap, by address.
        var strangers: [HostPort: PeerLink] = [:]
        /// Connections from members that are open, and the one node id under which a number has them.
        var entrances: [NodeNumber: (nodeID: String, connections: Int)] = [:]
        var listener: (any Channel)?
        weak var handler: (any TransportHandler)?
        var noted: [String: ContinuousClock.Instant] = [:]
        /// Nodes from which anything came since it was asked last.
        var heard: Set<NodeNumber> = []
        var isStopped = false
    }

    let options: TransportOptions
    private let logger: Logger
    /// Connections that were accepted and those for messages: on one thread, so that an answer leaves in the turn of the
    /// loop in which the question came. Those for what is large have another.
    private let loop: MultiThreadedEventLoopGroup
    private let bulkLoop: MultiThreadedEventLoopGroup
    /// Where short requests are answered.
    let executor: LoopExecutor
    private let serverTLS: NIOSSLContext?
    private let clientTLS: NIOSSLContext?
    private let state: Mutex<State>

    /// The same refusal is logged again after so long.
    private static let refusalPause = Duration.seconds(30)

    package init(_ options: TransportOptions, logger: Logger) throws(GrapeError) {
        self.options = options
        self.logger = logger
        // First what may throw: nobody would shut the threads down.
        (serverTLS, clientTLS) = try PeerTLS.contexts(options.tls)
        loop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        bulkLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        executor = LoopExecutor(loop.next())
        state = Mutex(State(identity: PeerIdentity(nodeID: options.nodeID, number: nil, cluster: nil)))
    }

    // MARK: Life

    /// Listens. -> the port. What arrives goes to the handler, which must outlive the transport.
    package func start(_ handler: any TransportHandler) async throws(GrapeError) -> Int {
        state.withLock { $0.handler = handler }
        let bootstrap = ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PeerSniffer(transport: self, tls: serverTLS))
                }
            }
        do {
            let channel = try await bootstrap.bind(host: options.listen.host, port: options.listen.port).get()
            state.withLock { $0.listener = channel }
            return channel.localAddress?.port ?? options.listen.port
        } catch {
            throw GrapeError(
                .cannotStart,
                "\(options.listen) can't be opened for node-to-node traffic: \(error); is raft_port in use?")
        }
    }

    package func stop() async {
        let (links, listener) = state.withLock { state in
            state.isStopped = true
            defer {
                state.links = [:]
                state.strangers = [:]
            }
            return (state.links.values.flatMap { [$0.quick, $0.bulk] } + Array(state.strangers.values), state.listener)
        }
        for link in links { link.close() }
        try? await listener?.close()
        executor.close()
        for loop in [loop, bulkLoop] { try? await loop.shutdownGracefully() }
    }

    var handler: (any TransportHandler)? { state.withLock { $0.handler } }

    // MARK: Who is who

    package var identity: PeerIdentity { state.withLock { $0.identity } }

    /// This node is a member now. Connections made before are made anew.
    package func identify(cluster: [UInt8], number: NodeNumber) {
        let links = state.withLock { state in
            state.identity.cluster = cluster
            state.identity.number = number
            defer { state.strangers = [:] }
            return Array(state.strangers.values)
        }
        for link in links { link.close() }
    }

    /// The other members and where they listen.
    package func setPeers(_ peers: [NodeNumber: HostPort]) {
        var closing: [PeerLink] = []
        var opened: [PeerLink] = []
        state.withLock { state in
            guard !state.isStopped else { return }
            for (number, pair) in state.links where peers[number] != pair.quick.address {
                closing += [pair.quick, pair.bulk]
                state.links[number] = nil
            }
            for (number, address) in peers where state.links[number] == nil {
                let pair = (
                    quick: PeerLink(address, number: number, isBulk: false, transport: self),
                    bulk: PeerLink(address, number: number, isBulk: true, transport: self)
                )
                state.links[number] = pair
                opened.append(pair.quick)
            }
        }
        for link in closing { link.close() }
        for link in opened { link.dialIfIdle() }
    }

    /// Nodes from which anything came since the last call.
    func takeHeard() -> Set<NodeNumber> {
        state.withLock { state in
            defer { state.heard = [] }
            return state.heard
        }
    }

    package func isConnected(to node: NodeNumber) -> Bool { link(node, .quick)?.isOpen ?? false }

    private func link(_ node: NodeNumber, _ lane: PeerLane) -> PeerLink? {
        state.withLock { state in
            switch lane {
            case .quick: state.links[node]?.quick
            case .bulk: state.links[node]?.bulk
            }
        }
    }

    // MARK: Sending

    package func send(_ messages: [GroupMessage], to node: NodeNumber) {
        link(node, .quick)?.send(.messages, messages.encoded)
    }

    package func send(_ exchange: ReadExchange, to node: NodeNumber) {
        link(node, .quick)?.send(.read, exchange.encoded)
    }

    package func sendReport(_ bytes: [UInt8], to node: NodeNumber) {
        link(node, .quick)?.send(.report, bytes)
    }

    package func request(
        _ body: [UInt8], to node: NodeNumber, lane: PeerLane, deadline: ContinuousClock.Instant,
        unless isOver: @escaping @Sendable () -> Bool
    ) async throws(PeerFailure) -> [UInt8] {
        guard let link = link(node, lane) else {
            throw PeerFailure(mayHaveArrived: false, message: "node number \(node) is no member")
        }
        return try await link.request(body, deadline: deadline, unless: isOver).get()
    }

    /// Asks whoever listens there, before the nodes know each other's numbers.
    package func request(
        _ body: [UInt8], at address: HostPort, deadline: ContinuousClock.Instant
    ) async throws(PeerFailure) -> [UInt8] {
        let link: PeerLink? = state.withLock { state in
            guard !state.isStopped else { return nil }
            if let known = state.strangers[address] { return known }
            let link = PeerLink(address, number: nil, isBulk: false, transport: self)
            state.strangers[address] = link
            return link
        }
        guard let link else { throw PeerFailure(mayHaveArrived: false, message: "the node is shutting down") }
        return try await link.request(body, deadline: deadline).get()
    }

    // MARK: What connections tell

    func dial(_ link: PeerLink) {
        let bootstrap = ClientBootstrap(group: link.isBulk ? bulkLoop : loop)
            .connectTimeout(.milliseconds(Int64(options.silenceMilliseconds)))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    if let clientTLS {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: clientTLS, serverHostname: nil))
                    }
                    try channel.pipeline.syncOperations.addHandler(PeerChannelHandler(transport: self, link: link))
                }
            }
        bootstrap.connect(host: link.address.host, port: link.address.port).whenFailure { _ in link.broke() }
    }

    /// A node has proved the token. -> why it can't come in: the number is another node's that is here.
    func entered(_ peer: PeerIdentity) -> Refusal? {
        guard let number = peer.number else { return nil }
        let refusal: Refusal? = state.withLock { state in
            let known = state.entrances[number]
            if let known, known.nodeID != peer.nodeID {
                return Refusal(
                    "\(peer.nodeID) says that it is node number \(number), which is \(known.nodeID): one runs on a copy of the other's data_dir, empty it"
                )
            }
            state.entrances[number] = (peer.nodeID, (known?.connections ?? 0) + 1)
            return nil
        }
        // It lives: there is no need to wait before it is dialled again.
        if refusal == nil { link(number, .quick)?.dialNow() }
        return refusal
    }

    func heard(from node: NodeNumber) { state.withLock { _ = $0.heard.insert(node) } }

    /// A connection that had entered is closed.
    func left(_ number: NodeNumber) {
        state.withLock { state in
            guard let known = state.entrances[number] else { return }
            state.entrances[number] = known.connections > 1 ? (known.nodeID, known.connections - 1) : nil
        }
    }

    func received(_ messages: [GroupMessage], from node: NodeNumber) { handler?.received(messages, from: node) }

    func lost(_ node: NodeNumber) { handler?.disconnected(node) }

    /// Both sides of a refused connection log it, the same refusal not too often.
    func noteRefusal(of link: PeerLink?, _ reason: String) {
        let other = link?.address.description ?? "another node"
        let isNew = state.withLock { state in
            let key = other + reason
            if let last = state.noted[key], ContinuousClock.now - last < Self.refusalPause { return false }
            if state.noted.count > 1_000 { state.noted = [:] }
            state.noted[key] = .now
            return true
        }
        guard isNew else { return }
        logger.warning("a connection between nodes was refused", metadata: ["peer": "\(other)", "reason": "\(reason)"])
    }
}
