import Dispatch
import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit
import Logging
import Synchronization

/// Several nodes' consensus in one process, over real databases; messages go through links that can be cut.
final class ConsensusCluster: Sendable {
    static let shardCount = 2
    static var groups: [LogGroup] { LogGroup.all(shardCount: shardCount) }

    /// Takes messages from node to node, each on its own way, as a transport does.
    final class Wire: Sendable {
        private struct State {
            var nodes: [NodeNumber: Consensus] = [:]
            var cut: Set<NodeNumber> = []
            var handovers: [Handover] = []
            /// Holds up whoever sends messages from this node.
            var gate: (node: NodeNumber, gate: DispatchSemaphore)?
            var isStuck = false
            var answers: [NodeNumber: Int] = [:]
        }

        /// A leader's word to another node to take its place at once.
        struct Handover: Hashable {
            let group: LogGroup
            let from: NodeNumber
            let term: Term
        }

        private let state = Mutex(State())

        func join(_ node: NodeNumber, _ consensus: Consensus?) {
            state.withLock { $0.nodes[node] = consensus }
        }

        func cut(_ node: NodeNumber) { state.withLock { _ = $0.cut.insert(node) } }
        func heal(_ node: NodeNumber) { state.withLock { _ = $0.cut.remove(node) } }

        /// The node's turn gets stuck where it sends, until `release`.
        func stick(_ node: NodeNumber) { state.withLock { $0.gate = (node, DispatchSemaphore(value: 0)) } }

        func release() {
            let gate = state.withLock { state in
                defer { state.gate = nil }
                return state.gate
            }
            gate?.gate.signal()
        }

        var isStuck: Bool { state.withLock { $0.isStuck } }
        var handovers: [Handover] { state.withLock { $0.handovers } }
        /// Answers to other nodes' questions for their reads.
        func answers(of node: NodeNumber) -> Int { state.withLock { $0.answers[node] ?? 0 } }

        func carry(_ messages: [GroupMessage], from sender: NodeNumber, to target: NodeNumber) {
            for message in messages where message.message.kind == .timeoutNow {
                let handover = Handover(group: message.group, from: sender, term: message.message.term)
                state.withLock { $0.handovers.append(handover) }
            }
            if let gate = state.withLock({ $0.gate }), gate.node == sender {
                state.withLock { $0.isStuck = true }
                gate.gate.wait()
                gate.gate.signal()
            }
            receiver(sender, target)?.receive(messages, from: sender)
        }

        func carry(_ exchange: ReadExchange, from sender: NodeNumber, to target: NodeNumber) {
            if case .answer = exchange { state.withLock { $0.answers[sender, default: 0] += 1 } }
            receiver(sender, target)?.receive(exchange, from: sender)
        }

        private func receiver(_ sender: NodeNumber, _ target: NodeNumber) -> Consensus? {
            state.withLock { state in
                state.cut.contains(sender) || state.cut.contains(target) ? nil : state.nodes[target]
            }
        }
    }

    private struct Link: MessageSender {
        let wire: Wire
        let node: NodeNumber

        func send(_ messages: [GroupMessage], to target: NodeNumber) { wire.carry(messages, from: node, to: target) }
        func send(_ exchange: ReadExchange, to target: NodeNumber) { wire.carry(exchange, from: node, to: target) }
    }

    /// A node's store, engine and consensus while it runs.
    struct Running: Sendable {
        let database: Database
        let engine: Engine
        let consensus: Consensus
    }

    let wire = Wire()
    private let directories: [TemporaryDirectory]
    private let running = Mutex<[Int: Running]>([:])
    private let failures = Mutex<[GrapeError]>([])
    private let change: @Sendable (inout StorageOptions) -> Void
    private let tune: @Sendable (inout ConsensusOptions) -> Void

    init(
        nodes: Int, change: @escaping @Sendable (inout StorageOptions) -> Void = { _ in },
        tune: @escaping @Sendable (inout ConsensusOptions) -> Void = { _ in }
    ) async throws {
        self.change = change
        self.tune = tune
        directories = try (0..<nodes).map { _ in try TemporaryDirectory() }
        for number in 1...nodes { try await start(number) }
        for number in 1...nodes {
            try await self[number].consensus.found(
                Self.groups.map { group in
                    Consensus.Founding(
                        group: group, replica: Self.replica(group, number),
                        configuration: ConfState(voters: (1...nodes).map { Self.replica(group, $0) }))
                })
        }
    }

    static func replica(_ group: LogGroup, _ number: Int) -> ReplicaID {
        ReplicaID(node: NodeNumber(UInt32(number)), serial: UInt32(group.number) + 1)
    }

    subscript(_ number: Int) -> Running {
        guard let node = running.withLock({ $0[number] }) else { preconditionFailure("node \(number) is stopped") }
        return node
    }

    func directory(_ number: Int) -> String { directories[number - 1].path }

    var failed: [GrapeError] { failures.withLock { $0 } }
    var numbers: [Int] { running.withLock { $0.keys.sorted() } }

    func start(_ number: Int) async throws {
        var options = StorageOptions()
        options.cacheBytes = 1 << 20
        options.writeBufferBytes = 1 << 20
        change(&options)
        let node = NodeNumber(UInt32(number))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let database = try Database.open(path: directories[number - 1].path, options: options)
        let engine = try Engine.open(
            database: database, shardCount: Self.shardCount, indexThreads: 1, checkpointIntervalSeconds: 300,
            logger: logger)
        var consensusOptions = ConsensusOptions()
        consensusOptions.electionTimeoutMilliseconds = 2_000
        consensusOptions.heartbeatMilliseconds = 50
        tune(&consensusOptions)
        let consensus = Consensus(
            database: database, engine: engine, options: consensusOptions, node: node,
            sender: Link(wire: wire, node: node), logger: logger,
            failed: { [weak self] error in self?.failures.withLock { $0.append(error) } })
        try consensus.start()
        running.withLock { $0[number] = Running(database: database, engine: engine, consensus: consensus) }
        wire.join(node, consensus)
    }

    /// Ends a node. The others hear that its connections closed.
    func stop(_ number: Int) async throws {
        let node = NodeNumber(UInt32(number))
        let stopped = self[number]
        wire.cut(node)
        wire.join(node, nil)
        await stopped.consensus.close()
        running.withLock { $0[number] = nil }
        try stopped.engine.builder.stop()
        try stopped.database.close()
        wire.heal(node)
        for other in numbers { self[other].consensus.disconnected(node) }
    }

    func stopAll() async throws {
        for number in numbers { try await stop(number) }
    }

    // MARK: Writes

    /// The number of the write is its whole content: an upsert of nothing, which the engine counts and forgets.
    static func entry(_ number: Int) -> [UInt8] {
        LogEntry(
            catalogVersion: CatalogVersion(0),
            origin: WriteOrigin(incarnation: 1, sequence: UInt64(number), lowestOpen: 0),
            command: .fence(CatalogVersion(UInt64(number)), dropping: nil)
        ).encoded
    }

    /// Proposes where the group's leader is until it is applied. -> nil where that did not happen in time.
    func write(_ number: Int, to group: LogGroup, seconds: Double = 60) async -> Duration? {
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        var target = numbers.first ?? 1
        while ContinuousClock.now < end {
            let proposal = Proposal(group: group, entry: Self.entry(number))
            let result = await self[target].consensus.propose([proposal], deadline: .now + .seconds(1))[0]
            switch result {
            case .applied: return ContinuousClock.now - start
            case .notLeader(let node?) where numbers.contains(Int(node.rawValue)): target = Int(node.rawValue)
            default: target = numbers.first { $0 > target } ?? numbers.first ?? 1
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return nil
    }

    /// Polls until it is so. -> whether it became so in time.
    func eventually(seconds: Double = 60, _ isSo: () async throws -> Bool) async rethrows -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            if try await isSo() { return true }
            guard ContinuousClock.now < end else { return false }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    func status(_ number: Int, _ group: LogGroup) -> GroupStatus? {
        self[number].consensus.status().first { $0.group == group }
    }

    /// The node that leads the group, as it says itself.
    func leader(of group: LogGroup) -> Int? {
        numbers.first { status($0, group).map { $0.role == .leader && $0.hasCommittedInTerm } ?? false }
    }
}
