import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft

/// Store loops that are joined by hand: messages arrive when the test says so, over links that can be cut.
final class LoopCluster {
    static let a = LogGroup.shard(ShardID(0))
    static let b = LogGroup.shard(ShardID(1))

    let nodes: [LoopNode]
    /// Nodes that nobody reaches and who reach nobody.
    var isolated: Set<NodeNumber> = []
    /// Messages that arrived, by kind.
    private(set) var delivered: [MessageKind: Int] = [:]
    private(set) var deliveredExchanges = 0
    private var tokens: UInt64 = 0

    /// The first `founders` nodes hold both groups as voters.
    init(nodes count: Int = 3, founders: Int = 3, keepsLittle: Bool = false) throws {
        nodes = try (1...count).map { try LoopNode(UInt32($0), keepsLittle: keepsLittle) }
        for group in [Self.a, Self.b] {
            let configuration = ConfState(voters: nodes.prefix(founders).map { $0.replica(group) })
            for node in nodes.prefix(founders) { try node.create(group, configuration) }
        }
    }

    subscript(_ number: Int) -> LoopNode { nodes[number - 1] }

    func token() -> Token {
        tokens += 1
        return Token(tokens)
    }

    /// Lets everything happen that no tick is needed for.
    func settle() throws {
        for _ in 0..<1_000 {
            var isQuiet = true
            for node in nodes {
                if try node.work() { isQuiet = false }
                let messages = node.environment.outbox
                node.environment.outbox = []
                for (target, message) in messages { try deliver(message, from: node, to: target) }
                let exchanges = node.environment.exchanges
                node.environment.exchanges = []
                for (target, exchange) in exchanges { deliver(exchange, from: node, to: target) }
                if !messages.isEmpty || !exchanges.isEmpty { isQuiet = false }
            }
            if isQuiet { return }
        }
        preconditionFailure("the cluster does not come to rest")
    }

    private func deliver(_ message: GroupMessage, from sender: LoopNode, to target: NodeNumber) throws {
        if isolated.contains(sender.number) || isolated.contains(target) { return }
        guard let node = nodes.first(where: { $0.number == target }) else { return }
        delivered[message.message.kind, default: 0] += 1
        node.loop.receive([message], from: sender.number)
    }

    private func deliver(_ exchange: ReadExchange, from sender: LoopNode, to target: NodeNumber) {
        if isolated.contains(sender.number) || isolated.contains(target) { return }
        deliveredExchanges += 1
        nodes.first { $0.number == target }?.loop.receive(exchange, from: sender.number)
    }

    func forgetDelivered() {
        delivered = [:]
        deliveredExchanges = 0
    }

    /// Ticks the nodes and lets happen what comes of it.
    func tick(_ count: Int = 1, only: [Int]? = nil) throws {
        for _ in 0..<count {
            for node in nodes where only?.contains(Int(node.number.rawValue)) ?? true { try node.loop.tick() }
            try settle()
        }
    }

    /// Ticks until a node among those given leads all groups. -> it, or nil where none did in time.
    @discardableResult
    func elect(_ number: Int) throws -> LoopNode? {
        for _ in 0..<200 {
            try tick(only: [number])
            if leads(number) { return self[number] }
        }
        return nil
    }

    func leads(_ number: Int) -> Bool {
        [Self.a, Self.b].allSatisfy { group in
            self[number].status(group).map { $0.role == .leader && $0.hasCommittedInTerm } ?? false
        }
    }

    /// Brings a snapshot that a node wants to have sent to the node that it is for, rows and all. -> whether it was
    /// taken.
    func carrySnapshot(from number: Int) throws -> Bool {
        let sender = self[number]
        guard !sender.environment.snapshots.isEmpty else { return false }
        let message = sender.environment.snapshots.removeFirst()
        let group = message.group
        guard let target = nodes.first(where: { $0.number == message.message.to.node }),
            let state = sender.states[group]
        else { return false }
        let isTaken = try target.loop.install(
            SnapshotImage(group: group, state: state), from: message.message.from, term: message.message.term)
        if isTaken && !target.holdsApply { target.takeRows(group, from: sender) }
        sender.loop.reportSnapshot(group, to: message.message.to, succeeded: true)
        try settle()
        return isTaken
    }
}

extension ProposalResult {
    /// In a word, for comparing.
    var word: String {
        switch self {
        case .applied(.upserted): "applied"
        case .applied: "applied otherwise"
        case .notLeader(let node): "not leader, \(node.map(\.description) ?? "nobody") is"
        case .lost: "lost"
        case .refused(let error): "refused: \(error.code.rawValue)"
        case .unknown: "unknown"
        }
    }
}
