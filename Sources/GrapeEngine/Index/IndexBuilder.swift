import Dispatch
import Glibc
import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging
import NIOPosix
import Synchronization

/// Moves points from the tails into the graphs, sweeps dead ones and writes checkpoints, on threads of its own and
/// never on those of apply or of searches. These threads are nice: where cores are short, searches and writes go first.
///
/// Thread safety: `state` is guarded by its mutex; a worker runs until no tail holds anything, then ends. A checkpoint
/// runs on one thread at a time.
package final class IndexBuilder: Sendable {
    /// Points that a worker moves before it looks around again.
    private static let step = 64
    /// A checkpoint comes early when so many points, and a quarter of the graph, have been moved since the last.
    private static let earlyCheckpointPoints = 10_000
    /// On Linux a thread has a niceness of its own.
    private static let niceness: Int32 = 10
    /// Dead ordinals that are swept at once: fewer are not worth walking over all links.
    private static let sweepMin = 1_024

    private struct State {
        var engine: Engine?
        var workers = 0
        /// Whether something came since a worker last looked.
        var isWoken = false
        var movedSinceCheckpoint = 0
        var lastCheckpoint = ContinuousClock.now
        var isCheckpointing = false
    }

    private let threads: Int
    private let checkpointInterval: Duration
    private let pool: NIOThreadPool
    private let running = DispatchGroup()
    private let state = Mutex(State())

    init(threads: Int, checkpointIntervalSeconds: Int) {
        self.threads = max(1, threads)
        checkpointInterval = .seconds(checkpointIntervalSeconds)
        pool = NIOThreadPool(numberOfThreads: self.threads)
        pool.start()
    }

    func start(_ engine: Engine) {
        state.withLock { $0.engine = engine }
        wake()
    }

    /// Lets go of the engine, which else would keep itself alive through its workers. Nothing is written.
    package func abandon() {
        state.withLock { $0.engine = nil }
        pool.shutdownGracefully { _ in }
    }

    /// Ends the workers, then writes what checkpoints still lack.
    package func stop() throws(StorageError) {
        guard
            let engine = state.withLock({ state in
                defer { state.engine = nil }
                return state.engine
            })
        else { return }
        running.wait()
        pool.shutdownGracefully { _ in }
        try engine.writeCheckpoints()
    }

    /// There may be work: more workers start, up to the number of threads.
    package func wake() {
        state.withLock { state in
            state.isWoken = true
            guard let engine = state.engine, state.workers < threads else { return }
            state.workers += 1
            run { self.work(engine) }
        }
    }

    private func run(_ work: @escaping @Sendable () -> Void) {
        running.enter()
        pool.submit { _ in
            _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, Self.niceness)
            work()
            self.running.leave()
        }
    }

    /// A checkpoint is written when the interval is over and something changed. Called once a second.
    package func tick() {
        guard let engine = state.withLock({ $0.engine }) else { return }
        let isDue = state.withLock { ContinuousClock.now - $0.lastCheckpoint >= checkpointInterval }
        if isDue, engine.hasUnsavedIndexChanges {
            run { self.checkpoint(engine) }
        }
        wake()
    }

    private func work(_ engine: Engine) {
        while state.withLock({ $0.engine != nil }) {
            state.withLock { $0.isWoken = false }
            var moved = 0
            for index in engine.filledCollections.flatMap(\.indexes) {
                moved += index.moveTail(max: Self.step)
                sweepIfWorthwhile(index)
            }
            checkpointIfMuchMoved(engine, moved: moved)
            if moved + fillFields(engine) == 0, endIfIdle() { return }
        }
        state.withLock { $0.workers -= 1 }
    }

    /// Fields that filters have asked about for the first time. -> steps taken.
    private func fillFields(_ engine: Engine) -> Int {
        var steps = 0
        for collection in engine.collections {
            for fields in collection.fields where fields.isIncomplete {
                do {
                    if try engine.fill(fields, of: collection) { steps += 1 }
                } catch {
                    engine.logger.warning(
                        "filters go on reading rows",
                        metadata: [
                            "collection": "\(collection.schema.name)", "error": "\(error)",
                        ])
                }
            }
        }
        return steps
    }

    /// Ends the worker unless something came since it looked.
    private func endIfIdle() -> Bool {
        state.withLock { state in
            guard !state.isWoken else { return false }
            state.workers -= 1
            return true
        }
    }

    private func sweepIfWorthwhile(_ index: CollectionIndex) {
        let counts = index.counts
        if counts.dead > max(Self.sweepMin, counts.live / 10) || counts.dead > 0 && counts.live == 0 {
            _ = index.sweep()
        }
    }

    private func checkpointIfMuchMoved(_ engine: Engine, moved: Int) {
        let graph = engine.filledCollections.reduce(0) { $0 + $1.indexes.reduce(0) { $0 + $1.counts.inGraph } }
        let isDue = state.withLock { state in
            state.movedSinceCheckpoint += moved
            return state.movedSinceCheckpoint >= max(Self.earlyCheckpointPoints, graph / 4)
        }
        if isDue { checkpoint(engine) }
    }

    private func checkpoint(_ engine: Engine) {
        let isMine = state.withLock { state in
            guard !state.isCheckpointing, state.engine != nil else { return false }
            state.isCheckpointing = true
            state.movedSinceCheckpoint = 0
            return true
        }
        guard isMine else { return }
        do {
            try engine.writeCheckpoints()
        } catch {
            engine.logger.warning("the index checkpoint was not written", metadata: ["error": "\(error)"])
        }
        state.withLock { state in
            state.isCheckpointing = false
            state.lastCheckpoint = .now
        }
    }
}
