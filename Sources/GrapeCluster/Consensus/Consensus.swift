import Dispatch
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// This node's replicas of all groups, on threads: `grape.store` runs the store loop, `grape.sync` brings what it wrote
/// to the disk and takes the turn that follows, `grape.apply` applies what is committed, a timer gives the ticks.
///
/// Thread safety:
/// 1. `loop` is guarded by its mutex. Turns come one at a time, on the queue `turns` or on the thread that has synced; looks
///    between them, on any thread, none of which waits for it.
/// 2. `inbox` is guarded by its mutex: everybody puts events and looks there.
/// 3. `published` holds copies for other threads.
package final class Consensus: Sendable {
    typealias Loop = StoreLoop<Consensus>
    typealias Event = @Sendable (Loop) throws(StorageError) -> Void
    typealias Look = @Sendable (Loop) -> Void

    struct Inbox {
        var events: [Event] = []
        /// What wants to look, and does so between turns.
        var looks: [Look] = []
        var messageBytes = 0
        /// Ticks that wait for their turn.
        var waitingTicks = 0
        var isTurning = false
        /// No new calls are taken.
        var isClosing = false
        var isClosed = false
        var hasFailed = false
    }

    struct Published: Sendable {
        var status: [GroupStatus] = []
        /// When they were so.
        var time = ContinuousClock.now
        /// Nodes that lead, as far as this one knows.
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
    let failed: @Sendable (GrapeError) -> Void
    let snapshots = Mutex<(any SnapshotSender)?>(nil)
    let loop = Mutex<Loop?>(nil)
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
        // A sync that ends meanwhile may leave a turn behind, and that one a sync.
        for _ in 0..<2 {
            await withCheckedContinuation { done in
                turns.async { done.resume() }
            }
            await syncs.drain()
        }
        for thread in applies { await thread.drain() }
        loop.withLock { $0 = nil }
        _ = calls.expire(at: nil)
    }

    private static let closingTime = Duration.seconds(5)
}
