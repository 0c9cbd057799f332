import Dispatch
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// This node's replicas of all groups, on threads: `grape.store` runs the store loop, `grape.sync` brings what it wrote
/// to the disk, `grape.apply` applies what is committed, a timer gives the ticks.
///
/// Thread safety:
/// 1. `loop` is entered on the queue `turns` only, one turn at a time; its mutex is never contended but in `close`.
/// 2. `inbox` is guarded by its mutex: everybody puts events there.
/// 3. `published` holds copies for other threads.
package final class Consensus: Sendable {
    typealias Loop = StoreLoop<Consensus>
    private typealias Event = @Sendable (Loop) throws(StorageError) -> Void

    private struct Inbox {
        var events: [Event] = []
        var messageBytes = 0
        var isTurning = false
        var isClosed = false
        var hasFailed = false
    }

    struct Published: Sendable {
        var status: [GroupStatus] = []
        /// Node that leads, by group number; the catalog's at the end.
        var leaders: [LogGroup: NodeNumber] = [:]
        /// Every group has this node as its only voter: nobody else can have written.
        var isAlone = false
        var fsync = FsyncFigures()
    }

    package let database: Database
    package let node: NodeNumber
    let engine: Engine
    let options: ConsensusOptions
    let logger: Logger
    let calls = WaitingCalls()
    private let sender: any MessageSender
    private let failed: @Sendable (GrapeError) -> Void
    private let snapshots = Mutex<(any SnapshotSender)?>(nil)
    private let loop = Mutex<Loop?>(nil)
    private let inbox = Mutex(Inbox())
    let published = Mutex(Published())
    private let turns = DispatchQueue(label: "grape.store", qos: .userInitiated)
    private let syncs: SyncThread
    private let applies: ApplyThread
    private let timer: RepeatingTimer

    /// Messages from other nodes that wait for the loop; what comes beyond is lost, as on a wire.
    private static let waitingMessageBytesMax = 64 << 20

    /// - Parameter failed: called once when the node can't go on: the disk refused what it must not, or an entry can't be
    ///   applied.
    package init(
        database: Database, engine: Engine, options: ConsensusOptions, node: NodeNumber, sender: any MessageSender,
        logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void
    ) {
        self.database = database
        self.engine = engine
        self.options = options
        self.node = node
        self.sender = sender
        self.logger = logger
        self.failed = failed
        syncs = SyncThread(database: database, logger: logger)
        applies = ApplyThread(database: database, engine: engine, logger: logger)
        timer = RepeatingTimer(milliseconds: options.tickMilliseconds)
    }

    package func attach(snapshots: any SnapshotSender) { self.snapshots.withLock { $0 = snapshots } }

    /// Takes up the replicas that the directory has, and begins to turn.
    package func start() throws(GrapeError) {
        try loop.withLock { (loop) throws(GrapeError) in
            let new = Loop(options.settings(seed: .random(in: 1 ... .max)), environment: self)
            do throws(StorageError) {
                for group in LogGroup.all(shardCount: engine.shardCount) { try Self.takeUp(group, new, database) }
            } catch {
                throw GrapeError(error)
            }
            publish(new)
            loop = new
        }
        timer.start { [weak self] in self?.tick() }
    }

    /// Writes nothing more, answers what waits with "unknown", and syncs.
    package func close() async {
        timer.stop()
        inbox.withLock { $0.isClosed = true }
        await withCheckedContinuation { done in
            turns.async { done.resume() }
        }
        await syncs.drain()
        await applies.drain()
        loop.withLock { $0 = nil }
        _ = calls.expire(at: nil)
    }

    // MARK: Writes

    /// Proposes entries to the groups that this node leads. -> what became of each, at the deadline `.unknown` of those
    /// without an answer.
    package func propose(
        _ proposals: [Proposal], deadline: ContinuousClock.Instant
    ) async -> [ProposalResult] {
        let bytes = proposals.reduce(0) { $0 + $1.entry.count }
        return await call(proposals.count, bytes: bytes, deadline: deadline) { first in
            self.post { loop in
                for (place, proposal) in proposals.enumerated() {
                    loop.propose(proposal.group, proposal.entry, Token(first + UInt64(place)))
                }
            }
        }
    }

    /// Changes who belongs to a group that this node leads. `.applied` says that the change is through; whether it took
    /// effect the configuration tells.
    package func changeConfiguration(
        _ group: LogGroup, _ change: ConfChange, deadline: ContinuousClock.Instant
    ) async -> ProposalResult {
        await call(1, bytes: 0, deadline: deadline) { first in
            self.post { $0.changeConfiguration(group, change, Token(first)) }
        }[0]
    }

    private func call(
        _ count: Int, bytes: Int, deadline: ContinuousClock.Instant, _ post: @escaping (UInt64) -> Bool
    ) async -> [ProposalResult] {
        guard count > 0 else { return [] }
        return await withCheckedContinuation { answer in
            guard let first = calls.add(count, bytes: bytes, deadline: deadline, answer) else {
                let error = GrapeError(
                    .overloaded, "\(calls.bytes) bytes of writes are waiting already", retryAfterSeconds: 1)
                return answer.resume(returning: [ProposalResult](repeating: .refused(error), count: count))
            }
            if !post(first) {
                for place in 0..<count { calls.answer(Token(first + UInt64(place)), .refused(Self.closing)) }
            }
        }
    }

    private static let closing = GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)

    // MARK: Reads

    /// Returns when this node has applied everything that was committed in these groups before the call. It must have
    /// replicas of them.
    package func barrier(_ groups: [LogGroup], deadline: ContinuousClock.Instant) async throws(GrapeError) {
        guard !groups.isEmpty, !published.withLock({ $0.isAlone }) else { return }
        let isReadable = await withCheckedContinuation { answer in
            let token = calls.add(answer, deadline: deadline)
            if !post({ $0.read(groups, token) }) { calls.refuse(token) }
        }
        guard isReadable else {
            throw GrapeError(
                .unavailable, "no majority of the replicas confirmed in time that this read is fresh",
                retryAfterSeconds: 1)
        }
    }

    // MARK: Other nodes

    package func receive(_ messages: [GroupMessage], from node: NodeNumber) {
        let bytes = messages.reduce(0) { sum, message in
            message.message.entries.reduce(sum + 64) { $0 + $1.data.count }
        }
        let isTaken = inbox.withLock { inbox in
            guard inbox.messageBytes == 0 || inbox.messageBytes + bytes <= Self.waitingMessageBytesMax else { return false }
            inbox.messageBytes += bytes
            return true
        }
        guard isTaken else { return }
        _ = post { [self] loop in
            inbox.withLock { $0.messageBytes -= bytes }
            loop.receive(messages, from: node)
        }
    }

    package func disconnected(_ node: NodeNumber) { _ = post { $0.disconnected(node) } }

    package func transferLeadership(of group: LogGroup, to replica: ReplicaID) {
        _ = post { $0.transferLeadership(of: group, to: replica) }
    }

    package func reportSnapshot(_ group: LogGroup, replica: ReplicaID, succeeded: Bool) {
        _ = post { $0.reportSnapshot(group, to: replica, succeeded: succeeded) }
    }

    // MARK: What others see

    /// The replicas as of the last turn in which something of note happened, a tick old at most.
    package func status() -> [GroupStatus] { published.withLock { $0.status } }

    /// The node that leads the group, as its replica here knows; nil where it knows none, or there is no replica.
    package func leader(of group: LogGroup) -> NodeNumber? { published.withLock { $0.leaders[group] } }

    /// Returns when every group that has a replica here has a leader.
    func waitUntilLeading(deadline: ContinuousClock.Instant) async throws(GrapeError) {
        while true {
            let status = status()
            if !status.isEmpty, status.allSatisfy({ $0.leader != .none && ($0.role != .leader || $0.hasCommittedInTerm) }) {
                return
            }
            guard ContinuousClock.now < deadline else {
                throw GrapeError(.unavailable, "some groups have no leader", retryAfterSeconds: 1)
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// At most so long ago this node knew all that was committed in its groups.
    package var stalenessMilliseconds: Int {
        published.withLock { $0.status.reduce(0) { max($0, $1.stalenessMilliseconds) } }
    }

    package var fsync: FsyncFigures { published.withLock { $0.fsync } }

    // MARK: Turns

    /// Runs a body on the loop's thread, between turns, and waits for it.
    func enter<Result: Sendable>(
        _ body: @escaping @Sendable (Loop) throws(StorageError) -> Result
    ) async throws(GrapeError) -> Result {
        let result: Swift.Result<Result, GrapeError> = await withCheckedContinuation { done in
            let isTaken = post { loop in
                do throws(StorageError) {
                    done.resume(returning: .success(try body(loop)))
                } catch {
                    done.resume(returning: .failure(GrapeError(error)))
                }
            }
            if !isTaken { done.resume(returning: .failure(Self.closing)) }
        }
        return try result.get()
    }

    /// -> false where nothing is taken any more.
    private func post(_ event: @escaping Event) -> Bool {
        let (isTaken, starts) = inbox.withLock { inbox in
            guard !inbox.isClosed, !inbox.hasFailed else { return (false, false) }
            inbox.events.append(event)
            defer { inbox.isTurning = true }
            return (true, !inbox.isTurning)
        }
        if starts { turns.async { self.run() } }
        return isTaken
    }

    /// Turns until nothing waits: each takes all events that are there.
    private func run() {
        while true {
            let events = inbox.withLock { inbox in
                defer { inbox.events = [] }
                inbox.isTurning = !inbox.events.isEmpty
                return inbox.events
            }
            guard !events.isEmpty else { return }
            do throws(StorageError) {
                try loop.withLock { (loop) throws(StorageError) in
                    guard let loop else { return }
                    for event in events { try event(loop) }
                    try loop.turn()
                    publish(loop)
                }
            } catch {
                fail(GrapeError(error))
            }
        }
    }

    private func tick() {
        let late = calls.expire(at: .now)
        _ = post { loop in
            for token in late { loop.cancel(token) }
            loop.tick()
        }
    }

    private func publish(_ loop: Loop) {
        guard loop.takeNews() else { return }
        let status = loop.status(tickMilliseconds: options.tickMilliseconds)
        var leaders: [LogGroup: NodeNumber] = [:]
        for group in status where group.leader != .none { leaders[group.group] = group.leader.node }
        let isAlone =
            status.count == engine.shardCount + 1
            && status.allSatisfy { $0.role == .leader && $0.configuration.voters == [$0.replica] && $0.hasCommittedInTerm }
        published.withLock {
            $0.status = status
            $0.leaders = leaders
            $0.isAlone = isAlone
        }
    }

    /// Nothing may be said after a disk that failed (RAFT.md 6): what waits stays without answer.
    private func fail(_ error: GrapeError) {
        let isFirst = inbox.withLock { inbox in
            defer {
                inbox.hasFailed = true
                inbox.events = []
            }
            return !inbox.hasFailed
        }
        guard isFirst else { return }
        published.withLock { $0.isAlone = false }
        _ = calls.expire(at: nil)
        failed(error)
    }
}

// MARK: What the loop asks for

extension Consensus: StoreLoopEnvironment {
    package func write(_ batch: borrowing WriteBatch) throws(StorageError) {
        do {
            try database.write(batch)
        } catch {
            guard error.isWriteStop else { throw error }
            // The reserve may have been given up for it meanwhile; else the next tick tries again.
            guard database.checkSpace() != .full else { throw error }
            try database.write(batch)
        }
    }

    package func requestSync(_ ticket: UInt64) {
        syncs.request(ticket) { [weak self] result in
            switch result {
            case .success(let took):
                self?.published.withLock { $0.fsync.add(took) }
                _ = self?.post { $0.synced(through: ticket) }
            case .failure(let error): self?.fail(GrapeError(error))
            }
        }
    }

    package func send(_ messages: [GroupMessage], to node: NodeNumber) { sender.send(messages, to: node) }

    package func sendSnapshot(_ message: GroupMessage) { snapshots.withLock { $0 }?.sendSnapshot(message) }

    package func apply(_ work: ApplyWork) {
        applies.add(work) { [weak self] result in
            switch result {
            case .success(let done):
                _ = self?.post { loop in
                    for work in done {
                        switch work {
                        case .applied(let group, let entries, let outcomes): loop.applied(group, entries, outcomes)
                        case .installed(let group): loop.installed(group)
                        }
                    }
                }
            case .failure(let error): self?.fail(error)
            }
        }
    }

    package func answer(_ token: Token, _ result: ProposalResult) { calls.answer(token, result) }

    package func readable(_ token: Token) { calls.readable(token) }

    package func stopped(_ group: LogGroup, _ reason: String) {
        logger.critical(
            "a replica stopped: it has seen that its group's state can't be right",
            metadata: ["group": "\(group.number)", "reason": "\(reason)"])
    }
}
