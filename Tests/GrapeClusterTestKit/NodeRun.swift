import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit
import Logging

/// A node's program from its start to its end: the store loop, the log, apply and the rows as they are in production, on
/// simulated time, network and disk. What threads do there are events here.
final class NodeRun: StoreLoopEnvironment {
    let world: ClusterWorld
    unowned let node: SimulatedNode
    let database: Database
    let engine: Engine
    private(set) lazy var loop = StoreLoop(
        world.options.settings(seed: world.seeds.next()), environment: self)
    private(set) lazy var router = SimulatedRouter(self)
    private(set) lazy var driver = SimulatedDriver(self)
    /// An operation on the disk did not come to its end: the program ends with it.
    private(set) var isCrashing = false
    private var isTurnPlanned = false
    private var nextToken: UInt64 = 1
    private var waiting: [UInt64: (ProposalResult) -> Void] = [:]
    private var readers: [UInt64: (Bool) -> Void] = [:]
    /// Calls of the loop's that are answered between its turns.
    private var answered: [(token: UInt64, result: ProposalResult)] = []
    private var readable: [(token: UInt64, isReadable: Bool)] = []
    var works: [ApplyWork] = []
    /// Replicas that a full disk keeps from going.
    var dropping: [LogGroup] = []
    var isApplying = false
    var syncing: SyncRequest?
    var nextSync: SyncRequest?
    var isSyncedAhead = false
    /// Planted: a sync is still to come, of which was said that it has been.
    private var owesSync = false
    /// In the order in which they began.
    var sendings: [SendingSnapshot] = []
    var receivings: [LogGroup: ReceivingSnapshot] = [:]

    static let path = "/memory"

    init(_ node: SimulatedNode, files: MemoryFileSystem) throws {
        world = node.world
        self.node = node
        var options = StorageOptions()
        options.fileSystem = files
        options.cacheBytes = 1 << 20
        options.writeBufferBytes = 1 << 20
        options.compression = false
        database = try Database.open(path: Self.path, options: options)
        engine = try Engine.open(
            database: database, shardCount: world.options.shards, lanes: 1, indexThreads: 1,
            checkpointIntervalSeconds: 1 << 30,
            logger: Logger(label: "simulation", factory: { _ in SwiftLogNoOpLogHandler() }))
        try engine.deleteUnusedGenerations()
        for group in LogGroup.all(shardCount: world.options.shards) {
            if world.options.plantedBug == .voteForgotten { try forgetVote(group) }
            try takeUp(group)
        }
    }

    func close() {
        engine.builder.abandon()
        closeSnapshots()
        do {
            try database.close()
        } catch {
            world.note(.storage, "node \(node.number) does not close: \(error)")
        }
    }

    var number: NodeNumber { node.number }

    // MARK: Events

    /// Does something to the loop, then lets it turn, now or a little later.
    func happen(_ body: () throws(StorageError) -> Void) {
        do throws(StorageError) {
            try body()
            if world.options.batchesTurns { return planTurn() }
            try turn()
        } catch {
            failed(error)
        }
    }

    /// A full disk is no failure: what found no space is tried again.
    private func failed(_ error: StorageError) {
        if !isCrashing, !error.isWriteStop { world.note(.storage, "node \(number): \(error)") }
    }

    /// Planted.
    func syncLater() {
        owesSync = true
        plan(.turn, within: 500...3_000)
    }

    func turnPlanned() {
        isTurnPlanned = false
        if owesSync {
            owesSync = false
            sync(always: false)
        }
        do throws(StorageError) { try turn() } catch { failed(error) }
    }

    private func planTurn() {
        guard !isTurnPlanned else { return }
        isTurnPlanned = true
        plan(.turn, within: 20...400)
    }

    func plan(_ kind: Event.Kind, within range: ClosedRange<Int>) {
        world.queue.push(
            Event(
                time: world.now + UInt64(world.timing.within(range)), kind: kind, target: node.place,
                incarnation: node.incarnation))
    }

    private func turn() throws(StorageError) {
        try loop.turn()
        while !answered.isEmpty || !readable.isEmpty {
            let (results, reads) = (answered, readable)
            (answered, readable) = ([], [])
            for (token, result) in results { waiting.removeValue(forKey: token)?(result) }
            for (token, isReadable) in reads { readers.removeValue(forKey: token)?(isReadable) }
            try loop.turn()
        }
    }

    func tick() {
        happen { () throws(StorageError) in try self.loop.tick() }
        guard !isCrashing else { return }
        happen { () throws(StorageError) in
            self.router.tick()
            try self.goOnDropping()
            self.driver.tick()
        }
        tickSnapshots()
    }

    func receive(_ envelope: ClusterEnvelope) {
        happen { () throws(StorageError) in
            switch envelope {
            case .messages(let messages, let sender): self.loop.receive(messages, from: sender)
            case .read(let exchange, let sender): self.loop.receive(exchange, from: sender)
            case .report(let bytes): self.driver.received(bytes)
            case .proposals(let proposals, let call, let place):
                guard self.node.calls.insert(call).inserted else { return }
                self.propose(proposals) { results in
                    self.world.send(.results(results, call: call), from: self.node.place, to: place)
                }
            case .results(let results, let call): self.router.received(results, call: call)
            case .transfer(let group, let heir): self.loop.transferLeadership(of: group, to: heir)
            case .snapshot(let part, let transfer, let sender):
                try self.heard(part, transfer: transfer, from: sender)
            case .request(let request): self.router.receive(request)
            case .answer: break
            }
        }
    }

    // MARK: Calls

    /// Proposes entries here. -> what became of each, when all are answered.
    func propose(_ proposals: [Proposal], then answer: @escaping ([ProposalResult]) -> Void) {
        let call = PendingCall(proposals.count, answer)
        for (place, proposal) in proposals.enumerated() {
            let token = nextToken
            nextToken += 1
            waiting[token] = { call.take($0, at: place) }
            loop.propose(proposal.group, proposal.entry, Token(token))
        }
    }

    func change(_ group: LogGroup, _ change: ConfChange) {
        let token = nextToken
        nextToken += 1
        waiting[token] = { _ in }
        loop.changeConfiguration(group, change, Token(token))
    }

    /// -> a token to cancel it by.
    func read(_ groups: [LogGroup], then body: @escaping (Bool) -> Void) -> UInt64 {
        let token = nextToken
        nextToken += 1
        readers[token] = body
        loop.read(groups, Token(token))
        return token
    }

    func cancelRead(_ token: UInt64) {
        readers[token] = nil
        loop.cancel(Token(token))
    }

    // MARK: StoreLoopEnvironment

    func write(_ batch: borrowing WriteBatch) throws(StorageError) {
        if strikesAtStorage(.crashesAtWrite) { throw .closed(path: Self.path) }
        try database.write(batch)
        if strikesAtStorage(.crashesBehindWrite) { throw .closed(path: Self.path) }
    }

    /// Does something to the disk that is seldom done; the program may end before or behind it.
    func onStorage(_ event: ClusterEvent, _ body: () throws(StorageError) -> Void) throws(StorageError) {
        if strikesAtStorage(event, times: Self.rareTimes) { throw .closed(path: Self.path) }
        try body()
        if strikesAtStorage(event, times: Self.rareTimes) { throw .closed(path: Self.path) }
    }

    /// What is done so seldom is hit so much more often.
    static let rareTimes = 10

    /// A crash in the middle of what the program does to its disk.
    func strikesAtStorage(_ event: ClusterEvent, times: Int = 1) -> Bool {
        guard !isCrashing, world.strikes(.crashAtStorageCallback, times: times) else { return isCrashing }
        world.coverage.count(event)
        isCrashing = true
        return true
    }

    func send(_ messages: [GroupMessage], to node: NodeNumber) {
        for message in messages {
            world.checking { () throws(Violation) in
                guard try world.checker.sent(message) else { return }
                world.coverage.count(.leadersElected)
                let isJoint = loop.driver(message.group)?.store.confState.votersOutgoing.isEmpty == false
                if isJoint { world.coverage.count(.leadersElectedInJoint) }
            }
        }
        world.send(.messages(messages, from: number), from: self.node.place, toNode: node)
    }

    func send(_ exchange: ReadExchange, to node: NodeNumber) {
        world.send(.read(exchange, from: number), from: self.node.place, toNode: node)
    }

    func answer(_ token: Token, _ result: ProposalResult) {
        if case .lost = result { world.coverage.count(.proposalsLost) }
        answered.append((token.rawValue, result))
    }

    func readable(_ token: Token) { readable.append((token.rawValue, true)) }

    func unreadable(_ token: Token) { readable.append((token.rawValue, false)) }

    func stopped(_ group: LogGroup, _ reason: String) {
        world.note(.coreRefused, "group \(group.number) on node \(number) stopped: \(reason)")
    }
}

/// Results of proposals that were made together.
private final class PendingCall {
    private var results: [ProposalResult]
    private var open: Int
    private let answer: ([ProposalResult]) -> Void

    init(_ count: Int, _ answer: @escaping ([ProposalResult]) -> Void) {
        results = [ProposalResult](repeating: .unknown, count: count)
        open = count
        self.answer = answer
    }

    func take(_ result: ProposalResult, at place: Int) {
        results[place] = result
        open -= 1
        if open == 0 { answer(results) }
    }
}
