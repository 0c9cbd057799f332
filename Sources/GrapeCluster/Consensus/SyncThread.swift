import Dispatch
import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Brings what the store loop wrote to the disk, on `grape.sync`: one sync for all that was asked for meanwhile, while
/// the loop takes in more. After it come the promises (`AcknowledgedFile`) and what may be dropped.
///
/// Thread safety: `state` is guarded by its mutex; `file` is used on the queue only, its mutex is never contended.
final class SyncThread: Sendable {
    /// What became of a request, and how long its sync took.
    typealias Done = @Sendable (Result<Duration, StorageError>) -> Void

    private struct State {
        var waiting: SyncRequest?
        /// Of the last request: its ticket stands for those before it.
        var done: Done?
        var isRunning = false
        var isClosing = false
        /// When the sync began that is under way.
        var syncingSince: ContinuousClock.Instant?
    }

    private struct File {
        let file: AcknowledgedFile
        var isSyncPlanned = false
    }

    private let database: Database
    private let logger: Logger
    private let state = Mutex(State())
    private let file = Mutex<File?>(nil)
    private let queue = DispatchQueue(label: "grape.sync", qos: .userInitiated)

    /// A promise of appended entries is on the disk so much later at most (RAFT.md 7).
    private static let promiseDelay = DispatchTimeInterval.milliseconds(80)

    init(database: Database, logger: Logger) {
        self.database = database
        self.logger = logger
    }

    /// From here on promises are kept. -> those of the last run. (Not where writes are not synced: nothing that is
    /// promised then outlives the machine.)
    func keepPromises() throws(StorageError) -> [LogGroup: Acknowledgement] {
        try file.withLock { (file) throws(StorageError) in
            let opened = try AcknowledgedFile(directory: database.path)
            let found = opened.found
            file = File(file: opened)
            return found
        }
    }

    /// `done` hears when everything written before this call is on the disk, unless a later call's hears it as well.
    func request(_ request: SyncRequest, _ done: @escaping Done) {
        let starts = state.withLock { state in
            if state.waiting == nil { state.waiting = request } else { state.waiting?.join(request) }
            state.done = done
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if starts { queue.async { self.run() } }
    }

    /// How long the sync under way has taken so far. A disk that is full does not hang.
    var stuckFor: Duration {
        guard database.spaceState != .full, let since = state.withLock({ $0.syncingSince }) else { return .zero }
        return ContinuousClock.now - since
    }

    /// Returns when what was asked for is done.
    func drain() async {
        state.withLock { $0.isClosing = true }
        await withCheckedContinuation { done in queue.async { done.resume() } }
    }

    private func run() {
        while true {
            let (request, done) = state.withLock { state in
                defer { state.waiting = nil }
                state.isRunning = state.waiting != nil
                return (state.waiting, state.done)
            }
            guard let request, let done else { return }
            done(Result { () throws(StorageError) in try carryOut(request) })
        }
    }

    private func carryOut(_ request: SyncRequest) throws(StorageError) -> Duration {
        let start = ContinuousClock.now
        try sync(always: !request.drops.isEmpty)
        let took = ContinuousClock.now - start
        try note(request)
        for (group, index) in request.drops {
            do {
                try ReplicaRows.dropLog(of: group, through: index, database)
            } catch {
                // They go with the next ones.
                guard error.isWriteStop else { throw error }
            }
        }
        return took
    }

    /// What is written can't be taken back, so a full disk makes its callers wait.
    private func sync(always: Bool) throws(StorageError) {
        while true {
            state.withLock { $0.syncingSince = .now }
            defer { state.withLock { $0.syncingSince = nil } }
            do {
                return try database.syncLog(always: always)
            } catch {
                guard error.isWriteStop, !state.withLock({ $0.isClosing }) else { throw error }
            }
            database.waitForSpace(logger)
        }
    }

    // MARK: Promises

    private func note(_ request: SyncRequest) throws(StorageError) {
        try file.withLock { (file) throws(StorageError) in
            guard let promises = file?.file, !request.promises.isEmpty else { return }
            try promises.write(request.promises)
            if request.holdsVote { return try promises.sync() }
            guard file?.isSyncPlanned == false else { return }
            file?.isSyncPlanned = true
            queue.asyncAfter(deadline: .now() + Self.promiseDelay) { [weak self] in self?.syncPromises() }
        }
    }

    /// A failure shows at the next promise: the sync of a file that failed once fails for good.
    private func syncPromises() {
        file.withLock { file in
            file?.isSyncPlanned = false
            do {
                try file?.file.sync()
            } catch {
                logger.error("the file of promises was not synced", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension Database {
    /// A quarter of a second, then another look at the disk.
    func waitForSpace(_ logger: Logger) {
        logger.warning("a write that is in the log waits for disk space")
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(250))
        _ = checkSpace()
    }
}
