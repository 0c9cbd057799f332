import Dispatch
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Brings what the store loop wrote to the disk, on `grape.sync`: one sync for all that was asked for meanwhile, while the
/// loop goes on.
///
/// Thread safety: `state` is guarded by its mutex.
final class SyncThread: Sendable {
    typealias Done = @Sendable (Result<Duration, StorageError>) -> Void

    private struct State {
        var waiting: [Done] = []
        var isRunning = false
        var isClosing = false
    }

    private let database: Database
    private let logger: Logger
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "grape.sync", qos: .userInitiated)

    init(database: Database, logger: Logger) {
        self.database = database
        self.logger = logger
    }

    /// `done` hears when everything written before this call is on the disk.
    func request(_ ticket: UInt64, _ done: @escaping Done) {
        let starts = state.withLock { state in
            state.waiting.append(done)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if starts { queue.async { self.run() } }
    }

    /// Returns when what was asked for is done.
    func drain() async {
        state.withLock { $0.isClosing = true }
        await withCheckedContinuation { done in queue.async { done.resume() } }
    }

    private func run() {
        while true {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                state.isRunning = !state.waiting.isEmpty
                return state.waiting
            }
            guard !waiting.isEmpty else { return }
            let result = sync()
            for done in waiting { done(result) }
        }
    }

    /// What is written can't be taken back, so a full disk makes its callers wait.
    private func sync() -> Result<Duration, StorageError> {
        let start = ContinuousClock.now
        while true {
            do throws(StorageError) {
                try database.syncLog()
                return .success(ContinuousClock.now - start)
            } catch {
                guard error.isWriteStop, !state.withLock({ $0.isClosing }) else { return .failure(error) }
                database.waitForSpace(error, logger)
            }
        }
    }
}

extension Database {
    /// A quarter of a second, then another look at the disk.
    func waitForSpace(_ error: StorageError, _ logger: Logger) {
        logger.warning("a write that is in the log waits for disk space", metadata: ["error": "\(error)"])
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(250))
        _ = checkSpace()
    }
}

/// How long syncs take: an average that forgets, and sums for metrics.
package struct FsyncFigures: Sendable {
    package private(set) var count: UInt64 = 0
    package private(set) var seconds = 0.0
    /// Of the last few dozen.
    package private(set) var averageMilliseconds = 0.0

    mutating func add(_ took: Duration) {
        let milliseconds = took / .milliseconds(1)
        count += 1
        seconds += milliseconds / 1_000
        averageMilliseconds += (milliseconds - averageMilliseconds) / Double(min(count, 32))
    }
}
