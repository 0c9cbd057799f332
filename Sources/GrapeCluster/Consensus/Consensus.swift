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
    typealias Event = @Sendable (Loop) throws(StorageError) -> Void

    struct Inbox {
        var events: [Event] = []
        var messageBytes = 0
        var isTurning = false
        /// No new calls are taken.
        var isClosing = false
        var isClosed = false
        var hasFailed = false
    }

    struct Published: Sendable {
        var status: [GroupStatus] = []
        /// Node that leads, by group number; the catalog's at the end.
        var leaders: [LogGroup: NodeNumber] = [:]
        /// Every group has this node as its only voter: nobody else can have written.
        var isAlone = false
        var fsync = LatencyFigures()
        /// When leaderships were handed on because of the disk.
        var lastHandover: ContinuousClock.Instant?
    }

    package let database: Database
    package let node: NodeNumber
    let engine: Engine
    let options: ConsensusOptions
    let logger: Logger
    let calls = WaitingCalls()
    let crowd = ReadCrowd()
    let appends = Mutex<[LogGroup: LatencyFigures]>([:])
    let sender: any MessageSender
    private let failed: @Sendable (GrapeError) -> Void
    let snapshots = Mutex<(any SnapshotSender)?>(nil)
    private let loop = Mutex<Loop?>(nil)
    /// What was promised in earlier runs.
    let promises = Mutex<[LogGroup: Acknowledgement]>([:])
    let inbox = Mutex(Inbox())
    let published = Mutex(Published())
    let turns = DispatchQueue(label: "grape.store", qos: .userInitiated)
    let syncs: SyncThread
    /// One for each lane of the engine.
    let applies: [ApplyThread]
    private let timer: RepeatingTimer

    /// - Parameter failed: called once when the node can't go on: the disk refused what it must not, or an entry can't
    /// be   applied.
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
        applies = (0..<engine.lanes).map { _ in
            ApplyThread(database: database, engine: engine, sparesDamaged: options.sparesDamaged, logger: logger)
        }
        timer = RepeatingTimer(milliseconds: options.tickMilliseconds)
    }

    package func attach(snapshots: any SnapshotSender) { self.snapshots.withLock { $0 = snapshots } }

    /// Takes up the replicas that the directory has, and begins to turn.
    package func start() throws(GrapeError) {
        do throws(StorageError) {
            try loop.withLock { (loop) throws(StorageError) in loop = try takeUpAll() }
        } catch {
            throw GrapeError(error)
        }
        timer.start { [weak self] in self?.tick() }
    }

    private func takeUpAll() throws(StorageError) -> Loop {
        let loop = Loop(options.settings(seed: .random(in: 1 ... .max)), environment: self)
        let promises = database.syncsWrites ? try syncs.keepPromises() : [:]
        self.promises.withLock { $0 = promises }
        for group in LogGroup.all(shardCount: engine.shardCount) {
            try takeUp(group, loop, promised: promises[group])
        }
        publish(loop)
        return loop
    }

    /// Takes no more calls, waits a while for those that are under way, hands leadership on, and syncs. What is left is
    /// answered with "unknown".
    package func close() async {
        inbox.withLock { $0.isClosing = true }
        let end = ContinuousClock.now + Self.closingTime
        _ = post { $0.handOverLeadership() }
        while !calls.isEmpty, ContinuousClock.now < end, !inbox.withLock({ $0.hasFailed }) {
            try? await Task.sleep(for: .milliseconds(2))
        }
        timer.stop()
        inbox.withLock { $0.isClosed = true }
        await withCheckedContinuation { done in
            turns.async { done.resume() }
        }
        await syncs.drain()
        for thread in applies { await thread.drain() }
        loop.withLock { $0 = nil }
        _ = calls.expire(at: nil)
    }

    private static let closingTime = Duration.seconds(5)

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
    func post(_ event: @escaping Event) -> Bool {
        let (isTaken, starts) = inbox.withLock { inbox in
            guard !inbox.isClosed, !inbox.hasFailed else { return (false, false) }
            inbox.events.append(event)
            defer { inbox.isTurning = true }
            return (true, !inbox.isTurning)
        }
        if starts { turns.async { self.run() } }
        return isTaken
    }

    /// Carries out what reads want, which touches neither log nor core: at once, on the caller's thread, where the loop
    /// rests between turns, else in its next turn. A change of threads costs more than all of it.
    func look(_ event: @escaping @Sendable (Loop) -> Void) -> Bool {
        guard !inbox.withLock({ $0.isClosed || $0.hasFailed }) else { return false }
        let isDone: Void? = loop.withLockIfAvailable { loop in
            guard let loop else { return }
            event(loop)
            loop.beginReads()
        }
        return isDone != nil || post(event)
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
        _ = post { (loop) throws(StorageError) in
            for token in late { loop.cancel(token) }
            try loop.tick()
        }
        watchDisk()
    }

    /// A disk that does not answer ends the node; one that is slow or full costs it its leaderships, now and then
    /// (RAFT.md 8, 22).
    private func watchDisk() {
        if syncs.stuckFor > Self.stuckMax {
            return fail(GrapeError(.internalError, "a sync of the log has not ended for \(syncs.stuckFor)"))
        }
        let isFull = database.spaceState == .full
        let hasTrouble = published.withLock { published in
            guard isFull || published.fsync.averageMilliseconds > Double(options.electionTimeoutMilliseconds) / 4,
                published.lastHandover.map({ $0 + Self.handoverPause < .now }) ?? true
            else { return false }
            published.lastHandover = .now
            return true
        }
        if hasTrouble { _ = post { $0.handOverLeadership() } }
    }

    private static let stuckMax = Duration.seconds(30)
    /// Where all disks are slow or full, leadership should not go round and round.
    private static let handoverPause = Duration.seconds(60)

    private func publish(_ loop: Loop) {
        guard loop.takeNews() else { return }
        let status = loop.status(tickMilliseconds: options.tickMilliseconds)
        var leaders: [LogGroup: NodeNumber] = [:]
        for group in status where group.leader != .none { leaders[group.group] = group.leader.node }
        let isAlone =
            status.count == engine.shardCount + 1
            && status.allSatisfy {
                $0.role == .leader && $0.configuration.voters == [$0.replica] && $0.hasCommittedInTerm
            }
        published.withLock {
            $0.status = status
            $0.leaders = leaders
            $0.isAlone = isAlone
        }
    }

    /// Nothing may be said after a disk that failed (RAFT.md 6): what waits stays without answer.
    func fail(_ error: GrapeError) {
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
