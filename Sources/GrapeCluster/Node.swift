import Dispatch
import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// One node: a store, an engine on it, and a commit log before it. Every way in (REST, the embedded library) calls
/// this type, and what comes in is checked here.
///
/// Thread safety: all calls from anywhere. `health` is guarded by its mutex.
package final class Node: Sendable {
    private struct Health {
        var refusal: GrapeError?
        var residentBytes = 0
    }

    package let options: NodeOptions
    package let startedAt = ContinuousClock.now
    package let clusterID: String
    /// Above this the node refuses writes.
    package let memoryLimitBytes: Int
    let database: Database
    let engine: Engine
    let log: any CommitLog
    let pool: SearchPool
    let origins: WriteOrigins
    let logger: Logger
    private let localLog: LocalCommitLog
    private let health = Mutex(Health())
    private let ticking = Mutex<Task<Void, Never>?>(nil)

    /// Opens the data directory, or makes it; loads the indexes; applies what the log has beyond the rows.
    /// - Parameter failed: called once if the node can't go on (the disk failed); it refuses everything from then on.
    package static func open(
        _ options: NodeOptions, logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void = { _ in }
    ) async throws(GrapeError) -> Node {
        let opened: Result<Node, GrapeError> = await withCheckedContinuation { answer in
            DispatchQueue(label: "grape.open").async {
                do throws(GrapeError) {
                    answer.resume(returning: .success(try Node(options, logger: logger, failed: failed)))
                } catch {
                    answer.resume(returning: .failure(error))
                }
            }
        }
        let node = try opened.get()
        try await node.finishCatalogChanges()
        return node
    }

    private init(
        _ options: NodeOptions, logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void
    ) throws(GrapeError) {
        let database: Database
        do {
            database = try Database.open(path: options.dataDirectory, options: options.storage)
        } catch {
            throw GrapeError(error)
        }
        database.startSpaceWatch()
        self.database = database
        self.options = options
        self.logger = logger
        clusterID = try NodeIdentity.readOrMake(database, shardCount: options.shardCount).clusterID.text
        memoryLimitBytes = options.memoryLimitBytes ?? ProcessStatistics.memoryLimitBytes
        engine = try Engine.open(
            database: database, shardCount: options.shardCount, indexThreads: options.threads,
            checkpointIntervalSeconds: options.checkpointIntervalSeconds, logger: logger)
        localLog = LocalCommitLog(database: database, engine: engine, logger: logger, failed: failed)
        log = localLog
        pool = SearchPool(threads: options.threads)
        origins = WriteOrigins()
        try localLog.recover()
        startTicking()
    }

    /// A node that nobody closed gives its directory free all the same; only its last checkpoint is missing.
    deinit {
        ticking.withLock { $0?.cancel() }
        engine.builder.abandon()
    }

    /// Finishes the writes that are under way, writes the index checkpoint and closes the store.
    package func close() async {
        health.withLock {
            $0.refusal = $0.refusal ?? GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)
        }
        ticking.withLock { $0?.cancel() }
        await localLog.close()
        await pool.close()
        await withCheckedContinuation { done in
            DispatchQueue(label: "grape.close").async {
                self.closeStore()
                done.resume()
            }
        }
    }

    private func closeStore() {
        do {
            try engine.builder.stop()
        } catch {
            logger.warning("the index checkpoint was not written", metadata: ["error": "\(error)"])
        }
        do {
            try database.close()
        } catch {
            logger.error("the store did not close", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Health

    /// Why the node can't serve now; nil while it can.
    package var refusal: GrapeError? { health.withLock { $0.refusal } }

    func refuseIfDown() throws(GrapeError) {
        if let refusal { throw refusal }
    }

    /// Refuses what would take memory or disk that is not there. Deletes are not asked: they make room.
    func refuseIfFull() throws(GrapeError) {
        guard database.spaceState == .ok else {
            throw GrapeError(
                .diskFull,
                "the disk of \(options.dataDirectory) is full: writes are refused until there is space; deletes work",
                retryAfterSeconds: 5)
        }
        let resident = health.withLock { $0.residentBytes }
        guard resident < memoryLimitBytes / 20 * 19 else {
            throw GrapeError(
                .memoryLimit, "\(resident >> 20) MB of memory are in use, the limit is \(memoryLimitBytes >> 20) MB",
                retryAfterSeconds: 5)
        }
    }

    /// Once a second: what the process holds, and whether a checkpoint is due.
    private func startTicking() {
        let task = Task { [weak self] in
            while !Task.isCancelled {
                self?.tick()
                try? await Task.sleep(for: .seconds(1))
            }
        }
        ticking.withLock { $0 = task }
    }

    private func tick() {
        let resident = ProcessStatistics.residentBytes
        health.withLock { $0.residentBytes = resident }
        engine.builder.tick()
    }
}
