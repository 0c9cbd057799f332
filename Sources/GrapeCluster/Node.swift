import Dispatch
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// One node: a store, an engine on it, its replicas of the cluster's groups, and the ways to the other nodes. Every way
/// in (REST, gRPC, the embedded library) calls this type, and what comes in is checked here. A node alone is a cluster
/// of one on the same path.
///
/// Thread safety: all calls from anywhere. `health` is guarded by its mutex.
package final class Node: Sendable {
    private struct Health {
        var refusal: GrapeError?
        var residentBytes = 0
    }

    package let options: NodeOptions
    package let startedAt = ContinuousClock.now
    /// Above this the node refuses writes.
    package let memoryLimitBytes: Int
    package let clusterID: String
    package let cluster: ClusterState
    let database: Database
    let engine: Engine
    let consensus: Consensus
    let router: Router
    let pool: SearchPool
    let logger: Logger
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
        try await node.begin()
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
        memoryLimitBytes = options.memoryLimitBytes ?? ProcessStatistics.memoryLimitBytes
        clusterID = try NodeIdentity.readOrMake(database, shardCount: options.shardCount).clusterID.text
        engine = try Engine.open(
            database: database, shardCount: options.shardCount, indexThreads: options.threads,
            checkpointIntervalSeconds: options.checkpointIntervalSeconds, logger: logger)
        cluster = ClusterState(node: NodeNumber(1), shardCount: options.shardCount)
        let failure = Mutex<GrapeError?>(nil)
        _ = failure
        consensus = Consensus(
            database: database, engine: engine, options: options.raft, node: cluster.node, sender: NoPeers(),
            logger: logger, failed: failed)
        router = Router(consensus: consensus, engine: engine, cluster: cluster, peers: nil)
        pool = SearchPool(threads: options.threads)
        try consensus.start()
        startTicking()
    }

    private func begin() async throws(GrapeError) {
        if consensus.status().isEmpty {
            let all = LogGroup.all(shardCount: options.shardCount)
            try await consensus.found(
                all.enumerated().map { place, group in
                    let replica = ReplicaID(node: cluster.node, serial: UInt32(place + 1))
                    return Consensus.Founding(
                        group: group, replica: replica, configuration: ConfState(voters: [replica]))
                })
        }
        cluster.update { view in
            view.own = ShardSet((0..<options.shardCount).map { ShardID(UInt16($0)) })
            for shard in view.own.sorted { view.holders[shard] = [cluster.node] }
        }
        try await consensus.waitUntilLeading(deadline: .now + .seconds(10))
        for entry in engine.catalog.sortedEntries where entry.phase != .ready {
            try await router.finish(
                CatalogChange(id: entry.schema.id, version: entry.version, phase: entry.phase), deadline: deadline)
        }
    }

    /// When a call that begins now gives up.
    var deadline: ContinuousClock.Instant { .now + .seconds(options.requestTimeoutSeconds) }

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
        await consensus.close()
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
    package var refusal: GrapeError? { health.withLock { $0.refusal } ?? cluster.isolation }

    func refuseIfDown() throws(GrapeError) {
        if let refusal = health.withLock({ $0.refusal }) { throw refusal }
    }

    /// Refuses what needs a majority while this node has contact to none.
    func refuseIfIsolated() throws(GrapeError) {
        try refuseIfDown()
        if let isolation = cluster.isolation { throw isolation }
    }

    func refuse(_ consistency: Consistency) throws(GrapeError) {
        switch consistency {
        case .strong: try refuseIfIsolated()
        case .eventual: try refuseIfDown()
        }
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

/// A node alone has nobody to send to.
private struct NoPeers: MessageSender {
    func send(_ messages: [GroupMessage], to node: NodeNumber) {}
}
