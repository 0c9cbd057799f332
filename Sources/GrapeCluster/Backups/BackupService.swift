import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Snapshots of the cluster as archives: makes them, one at a time, where the catalog is led; keeps the newest, each on
/// two nodes; gives them out and re-reads them, whichever node is asked.
///
/// Making one outlasts the call that asked for it. It ends `written` or `failed`, with the reason; a node that stops in
/// between leaves nothing that counts.
///
/// Thread safety: `state` is guarded by its mutex. The archive that is made belongs to the task that makes it.
package final class BackupService: Sendable {
    struct State {
        /// Snapshots that this node has made, or tried to, since it started. The last ones.
        var tried: [BackupInfo] = []
        /// Invariant: set while one is being made.
        var running: (id: String, task: Task<Void, Never>)?
        var isClosed = false
    }

    let node: NodeNumber
    let options: BackupOptions
    let nodeOptions: NodeOptions
    let clusterID: PointID
    package let store: BackupStore
    let engine: Engine
    let consensus: Consensus
    let cluster: ClusterState
    let peers: (any PeerRequests)?
    /// Members that were heard of lately, this node left out.
    let others: @Sendable () -> [Member]
    let sessions: ExportSessions
    let work: BackupWork
    let logger: Logger
    let state = Mutex(State())

    private static let triedMax = 32

    init(
        node: NodeNumber, nodeOptions: NodeOptions, clusterID: PointID, engine: Engine, consensus: Consensus,
        cluster: ClusterState, peers: (any PeerRequests)?, others: @escaping @Sendable () -> [Member],
        options: BackupOptions = BackupOptions(), logger: Logger
    ) throws(GrapeError) {
        self.node = node
        self.nodeOptions = nodeOptions
        self.clusterID = clusterID
        self.engine = engine
        self.consensus = consensus
        self.cluster = cluster
        self.peers = peers
        self.others = others
        self.options = options
        self.logger = logger
        sessions = ExportSessions(options)
        let (database, directory) = (engine.database, nodeOptions.dataDirectory)
        work = BackupWork(bytesPerSecond: options.bytesPerSecond) {
            guard database.spaceState != .ok else { return nil }
            return .storage(.noSpace(.init(path: directory), detail: "the disk is nearly full"))
        }
        store = try BackupStore(dataDirectory: nodeOptions.dataDirectory, logger: logger)
        for id in store.interrupted where BackupManifest.isValid(id: id) {
            var info = BackupInfo(id: id, createdAt: Timestamp(seconds: 0), keep: BackupOptions.keepDefault)
            info.state = .failed
            info.failure = GrapeError(
                .unavailable, "node \(nodeOptions.nodeID) stopped while it was being written")
            state.withLock { $0.tried.append(info) }
        }
    }

    /// Ends what is being made, and waits for its end.
    func close() async {
        work.stop()
        let task = state.withLock { state in
            state.isClosed = true
            return state.running?.task
        }
        task?.cancel()
        await task?.value
        sessions.closeAll()
    }

    // MARK: Making one

    /// Begins a snapshot on this node. Another one under way is a conflict: what was written since it began may not be in
    /// it.
    func start(keep: Int) throws(GrapeError) -> BackupInfo {
        try checkSpace()
        let now = ProcessStatistics.millisecondsSince1970
        let info = BackupInfo(
            id: BackupInfo.newID(milliseconds: now, node: node), createdAt: Timestamp(millisecondsSince1970: now),
            keep: keep)
        let running = state.withLock { state -> String? in
            if state.isClosed { return "" }
            if let running = state.running { return running.id }
            state.tried = state.tried.suffix(Self.triedMax) + [info]
            state.running = (info.id, Task { await self.make(info) })
            return nil
        }
        switch running {
        case nil: return info
        case ""?: throw Consensus.closing
        case let id?: throw GrapeError(.conflict, "snapshot \(id) is being written: wait for its end")
        }
    }

    private func make(_ info: BackupInfo) async {
        do throws(GrapeError) {
            var made = try await maker(info).run()
            made.keep = info.keep
            let (store, archive) = (store, made)
            try await work.run { () throws(ArchiveError) in
                do throws(StorageError) {
                    try store.publish(archive)
                } catch {
                    throw .storage(error)
                }
            }
            made.nodes = [nodeOptions.nodeID]
            made.progress = 1
            note(made)
            if let copier = await copy(made.id) { made.nodes.append(copier) }
            await prune(keep: info.keep)
            made.state = .written
            logger.info(
                "a snapshot was written",
                metadata: ["snapshot": "\(made.id)", "bytes": "\(made.bytes)", "points": "\(made.points)"])
            end(made)
        } catch {
            // What a stop cuts off the next start finds, removes, and tells of.
            if !work.isOver { store.discard(info.id) }
            var failed = info
            failed.state = .failed
            failed.failure = error
            logger.warning(
                "a snapshot was not written", metadata: ["snapshot": "\(info.id)", "reason": "\(error.message)"])
            end(failed)
        }
    }

    private func maker(_ info: BackupInfo) -> BackupMaker {
        BackupMaker(
            id: info.id, createdAt: info.createdAt, cluster: clusterID, version: nodeOptions.version, engine: engine,
            consensus: consensus, remote: RemoteExports(cluster: cluster, peers: peers, options: options), store: store,
            work: work, answers: { [cluster] in cluster.answers(for: $0) }, options: options,
            note: { [weak self] progress in
                var info = info
                info.progress = progress
                self?.note(info)
            })
    }

    private func note(_ info: BackupInfo) {
        state.withLock { state in
            guard let place = state.tried.lastIndex(where: { $0.id == info.id }) else { return }
            state.tried[place] = info
        }
    }

    private func end(_ info: BackupInfo) {
        note(info)
        state.withLock { $0.running = nil }
    }

    /// Exports and the archive made of them lie on the disk together for a while.
    private func checkSpace() throws(GrapeError) {
        var needed = options.spareBytes
        for number in 0..<engine.shardCount { needed += 2 * (try engine.rowBytes(ShardID(UInt16(number)))) }
        try refuse(lacking: needed)
    }

    func refuse(lacking needed: UInt64) throws(GrapeError) {
        let free: UInt64
        do throws(StorageError) {
            free = try engine.database.freeSpaceBytes
        } catch {
            throw GrapeError(error)
        }
        guard engine.database.spaceState == .ok, free > needed else {
            throw GrapeError(
                .diskFull,
                "an archive may take \(needed >> 20) MB on the disk of \(nodeOptions.dataDirectory), \(free >> 20) MB are free",
                retryAfterSeconds: 60)
        }
    }
}
