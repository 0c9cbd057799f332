import GrapeCluster
import GrapeModel
import GrapeRaft
import Logging
import Synchronization
import Testing

/// A transport with a handler that notes what comes.
final class TransportNode: TransportHandler {
    static let cluster = [UInt8](repeating: 0xc1, count: 16)

    private struct State {
        var messages: [(messages: [GroupMessage], from: NodeNumber)] = []
        var exchanges: [(ReadExchange, NodeNumber)] = []
        var reports: [(bytes: [UInt8], from: NodeNumber)] = []
        var lost: [NodeNumber] = []
        var asked: [PeerIdentity] = []
        var answer: @Sendable ([UInt8]) async -> [UInt8] = { $0 }
    }

    let transport: Transport
    let name: String
    private let started = Mutex(0)
    private let state = Mutex(State())
    private let log = NotedLines()

    /// - Parameter number: nil: not a member yet.
    init(
        _ name: String, number: UInt32? = nil, token: String? = "secret", cluster: [UInt8] = TransportNode.cluster,
        _ change: (inout TransportOptions) -> Void = { _ in }
    ) async throws {
        self.name = name
        var options = TransportOptions(listen: HostPort(host: "127.0.0.1", port: 0), nodeID: name)
        options.token = token
        // Nobody is given up because the machine stands still for a while.
        options.silenceMilliseconds = 60_000
        change(&options)
        transport = try Transport(options, logger: log.logger)
        if let number { transport.identify(cluster: cluster, number: NodeNumber(number)) }
        let port = try await transport.start(self)
        started.withLock { $0 = port }
    }

    var port: Int { started.withLock { $0 } }
    var address: HostPort { HostPort(host: "127.0.0.1", port: port) }

    var messages: [(messages: [GroupMessage], from: NodeNumber)] { state.withLock { $0.messages } }
    var reports: [(bytes: [UInt8], from: NodeNumber)] { state.withLock { $0.reports } }
    var lost: [NodeNumber] { state.withLock { $0.lost } }
    var asked: [PeerIdentity] { state.withLock { $0.asked } }
    var refusals: [String] { log.lines }

    func answers(_ body: @escaping @Sendable ([UInt8]) async -> [UInt8]) { state.withLock { $0.answer = body } }

    func know(_ others: [UInt32: HostPort]) {
        transport.setPeers(Dictionary(uniqueKeysWithValues: others.map { (NodeNumber($0.key), $0.value) }))
    }

    func isConnected(to number: UInt32) -> Bool { transport.isConnected(to: NodeNumber(number)) }

    func ask(
        _ body: [UInt8], _ number: UInt32, lane: PeerLane = .quick, seconds: Double = 60
    ) async throws(PeerFailure) -> [UInt8] {
        try await transport.request(body, to: NodeNumber(number), lane: lane, deadline: .now + .seconds(seconds))
    }

    /// Two members that know each other, connected.
    static func pair(
        _ change: (inout TransportOptions) -> Void = { _ in }
    ) async throws -> (TransportNode, TransportNode) {
        let first = try await TransportNode("a", number: 1, change)
        let second = try await TransportNode("b", number: 2, change)
        first.know([2: second.address])
        second.know([1: first.address])
        try await until { first.isConnected(to: 2) && second.isConnected(to: 1) }
        return (first, second)
    }

    // MARK: TransportHandler

    func received(_ messages: [GroupMessage], from node: NodeNumber) {
        state.withLock { $0.messages.append((messages, node)) }
    }

    func received(_ exchange: ReadExchange, from node: NodeNumber) {
        state.withLock { $0.exchanges.append((exchange, node)) }
    }

    func receivedReport(_ bytes: [UInt8], from node: NodeNumber) {
        state.withLock { $0.reports.append((bytes, node)) }
    }

    func answer(_ request: [UInt8], from peer: PeerIdentity) async -> [UInt8] {
        let answer = state.withLock { state in
            state.asked.append(peer)
            return state.answer
        }
        return await answer(request)
    }

    func disconnected(_ node: NodeNumber) { state.withLock { $0.lost.append(node) } }

    func metricsPage() async -> [UInt8] { Array("grape_raft_term 7\n".utf8) }
}

/// Keeps the reasons that are logged.
final class NotedLines: Sendable {
    private let noted = Mutex<[String]>([])

    var lines: [String] { noted.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in NotingHandler(lines: self) } }

    fileprivate func note(_ line: String) { noted.withLock { $0.append(line) } }
}

private struct NotingHandler: LogHandler {
    let lines: NotedLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(lines: NotedLines) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.note("\(event.message): \(event.metadata?["reason"].map { "\($0)" } ?? "")") }
}
