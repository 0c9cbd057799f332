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
        var isClosed = false
    }

    package let options: NodeOptions
    package let startedAt = ContinuousClock.now
    /// Above this the node refuses writes.
    package let memoryLimitBytes: Int
    package let clusterID: String
    package let number: NodeNumber
    package let cluster: ClusterState
    let database: Database
    let engine: Engine
    let consensus: Consensus
    let router: Router
    let driver: ClusterDriver
    package let pool: SearchPool
    let logger: Logger
    private let transport: Transport?
    /// nil on a node alone.
    private let snapshots: SnapshotService?
    package let backups: BackupService
    private let gateway: PeerGateway
    let consistency: ConsistencyService
    private let health = Mutex(Health())
    private let tasks = Mutex<[Task<Void, Never>]>([])

    /// Opens the data directory, or makes it; becomes a member of the cluster where it is none yet; loads the indexes;
    /// applies what the log has beyond the rows. In a cluster that takes until the others answer.
    /// - Parameter failed: called once if the node can't go on (the disk failed); it refuses everything from then on.
    package static func open(
        _ options: NodeOptions, logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void = { _ in }
    ) async throws(GrapeError) -> Node {
        do throws(GrapeError) {
            return try await openWhole(options, logger: logger, failed: failed)
        } catch {
            guard error.code == .damaged, options.cluster != nil else { throw error }
            try setAside(options, error, logger)
            return try await openWhole(options, logger: logger, failed: failed)
        }
    }

    /// A store that can't be trusted as a whole is put out of the way; what comes in its place asks the cluster to be taken
    /// back. A directory that does not know which member it is, or holds an earlier damaged store, is left to the operator.
    private static func setAside(_ options: NodeOptions, _ error: GrapeError, _ logger: Logger) throws(GrapeError) {
        guard MemberFile.read(options.dataDirectory) != nil else {
            throw GrapeError(.damaged, "\(error.message). \(replacement(options))")
        }
        do throws(StorageError) {
            try StoreAside.move(options.dataDirectory, reason: error.message)
        } catch let failure {
            throw GrapeError(.damaged, "\(error.message). \(failure). \(replacement(options))")
        }
        logger.critical(
            "the store is damaged as a whole: it is set aside, and the cluster is asked to take this node back",
            metadata: ["damage": "\(error.message)", "kept_in": "\(options.dataDirectory)/\(StoreAside.folder)"])
    }

    /// What to do where the store as a whole can't be trusted: the others have everything, and take the node as a new one.
    private static func replacement(_ options: NodeOptions) -> String {
        "The other nodes can replace this one: move \(options.dataDirectory) away, tell them with "
            + "curl -X POST http://HOST:6333/cluster/leave -d '{\"node_id\":\"\(options.nodeID)\"}' at any of them, "
            + "then start this node again"
    }

    private static func openWhole(
        _ options: NodeOptions, logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void
    ) async throws(GrapeError) -> Node {
        let database = try await blocking { () throws(GrapeError) in try openStore(options) }
        let gateway = PeerGateway()
        let transport = try await listen(options, gateway, logger)
        do throws(GrapeError) {
            let record = try await membership(options, database, transport, gateway, logger)
            let node = try await blocking { () throws(GrapeError) in
                try Node(
                    options, database: database, record: record, transport: transport, gateway: gateway, logger: logger,
                    failed: failed)
            }
            try await node.begin(record)
            return node
        } catch {
            await transport?.stop()
            _ = try? await blocking { () throws(GrapeError) in try? database.close() }
            throw error
        }
    }

    private init(
        _ options: NodeOptions, database: Database, record: MemberRecord, transport: Transport?, gateway: PeerGateway,
        logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void
    ) throws(GrapeError) {
        guard let identity = try NodeIdentity.read(database, shardCount: options.shardCount), let number = record.number
        else { preconditionFailure("a node opens when it is a member") }
        self.options = options
        self.database = database
        self.logger = logger
        self.transport = transport
        self.gateway = gateway
        self.number = number
        clusterID = identity.clusterID.text
        memoryLimitBytes = options.memoryLimitBytes ?? ProcessStatistics.memoryLimitBytes
        engine = try Engine.open(
            database: database, shardCount: options.shardCount, indexThreads: options.threads,
            checkpointIntervalSeconds: options.checkpointIntervalSeconds, sparesDamaged: options.cluster != nil,
            scrub: options.scrub, logger: logger)
        cluster = ClusterState(node: number, shardCount: options.shardCount)
        let failure = FailureSwitch(failed)
        var raft = options.raft
        raft.sparesDamaged = options.cluster != nil
        consensus = Consensus(
            database: database, engine: engine, options: raft, node: number, sender: transport ?? NoPeers(),
            logger: logger,
            failed: { [database] error in
                // An open would not show it: what compactions meet is met again and again.
                if let damage = database.backgroundError, damage.isDamage {
                    StoreAside.distrust(database.path, reason: "\(damage)")
                }
                failure.fail(error)
            })
        router = Router(
            consensus: consensus, engine: engine, cluster: cluster, peers: transport,
            pace: WritePace(limit: options.backlogLimit))
        let clusterBytes = Array(identity.clusterID.encoded.dropFirst())
        let snapshots = transport.map { [database, engine, consensus] in
            SnapshotService(
                database: database, engine: engine, cluster: clusterBytes, peers: $0, target: consensus, logger: logger)
        }
        self.snapshots = snapshots
        driver = ClusterDriver(
            node: number, options: options, engine: engine, consensus: consensus, router: router, cluster: cluster,
            transport: transport, snapshots: snapshots, logger: logger)
        pool = SearchPool(threads: options.threads)
        consistency = ConsistencyService(router: router, driver: driver, logger: logger)
        backups = try BackupService(
            node: number, nodeOptions: options, clusterID: identity.clusterID, engine: engine, consensus: consensus,
            cluster: cluster, peers: transport, others: { [driver] in driver.otherMembers }, logger: logger)
        transport?.identify(cluster: clusterBytes, number: number)
        try snapshots?.start()
        if let snapshots { consensus.attach(snapshots: snapshots) }
        try consensus.start()
        failure.onFailure { [weak self] error in self?.health.withLock { $0.refusal = $0.refusal ?? error } }
        gateway.run(
            PeerGateway.Running(
                consensus: consensus, service: PeerService(router: router, pool: pool, limits: options.limits),
                driver: driver,
                admission: Admission(
                    cluster: identity.clusterID, node: number, founded: record.founded, engine: engine,
                    consensus: consensus, router: router, planner: { [driver] in driver.planner($0) }),
                snapshots: snapshots, backups: backups))
    }

    /// Makes the replicas of a founder, and waits until the groups held here have leaders.
    private func begin(_ record: MemberRecord) async throws(GrapeError) {
        if options.cluster != nil {
            let member = MemberFile(bootID: record.bootID, number: number)
            try await Self.blocking { [options] () throws(GrapeError) in
                do throws(StorageError) {
                    try member.write(options.dataDirectory)
                } catch {
                    throw GrapeError(error)
                }
            }
        }
        if !record.hasBegun {
            if let founded = record.founded, consensus.status().isEmpty {
                try await consensus.found(InitialLayout.replicas(of: number, in: founded.layout))
            }
            try await Self.blocking { [database] () throws(GrapeError) in
                var record = record
                record.hasBegun = true
                do throws(StorageError) {
                    try record.write(database)
                } catch {
                    throw GrapeError(error)
                }
            }
        }
        startTicking()
        // A node that just opened is no member of a majority yet, and says so to the first who asks.
        driver.observe(0)
        tasks.withLock { [driver] in $0.append(Task { await driver.run() }) }
        if transport == nil {
            try await consensus.waitUntilLeading(deadline: .now + .seconds(30))
            while !cluster.answersForAllShards { try? await Task.sleep(for: .milliseconds(5)) }
            driver.tell(driver.layout)
            // Whoever filled it through this node found its calls broken off.
            for entry in engine.catalog.sortedEntries where entry.phase == .restoring {
                _ = try await router.commit(.discard(entry.schema.id), deadline: deadline)
            }
            for entry in engine.catalog.sortedEntries where entry.phase != .ready {
                let change = CatalogChange(id: entry.schema.id, version: entry.version, phase: entry.phase)
                try await router.finish(change, deadline: deadline)
            }
        }
    }

    /// When a call that begins now gives up.
    var deadline: ContinuousClock.Instant { .now + .seconds(options.requestTimeoutSeconds) }

    /// A node that nobody closed gives its directory free all the same; only its last checkpoint is missing.
    deinit {
        for task in tasks.withLock({ $0 }) { task.cancel() }
        engine.endScans()
        engine.builder.abandon()
    }

    /// Finishes the writes that are under way, writes the index checkpoint and closes the store. A second call waits for
    /// nothing.
    package func close() async {
        let isFirst = health.withLock { health in
            health.refusal =
                health.refusal ?? GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)
            defer { health.isClosed = true }
            return !health.isClosed
        }
        guard isFirst else { return }
        for task in tasks.withLock({ $0 }) { task.cancel() }
        consistency.close()
        await backups.close()
        await snapshots?.close()
        await consensus.close()
        gateway.stop()
        await transport?.stop()
        await pool.close()
        _ = try? await Self.blocking { () throws(GrapeError) in self.closeStore() }
    }

    private func closeStore() {
        engine.endScans()
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

    /// Why the node is not healthy now; nil while it is.
    package var refusal: GrapeError? { health.withLock { $0.refusal } ?? cluster.solitude }

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
        tasks.withLock { $0.append(task) }
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
    func send(_ exchange: ReadExchange, to node: NodeNumber) {}
}
