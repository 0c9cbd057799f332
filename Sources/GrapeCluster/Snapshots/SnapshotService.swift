import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// Sends rows of groups to replicas that are too far behind for the log, and receives such (RAFT.md 20, 21).
///
/// Thread safety: `state` is guarded by its mutex; every transfer is a task of its own.
package final class SnapshotService: SnapshotSender {
    private struct State {
        var running: [Destination: OutgoingSnapshot] = [:]
        var tasks: [Destination: Task<Void, Never>] = [:]
        var waiting: [GroupMessage] = []
        var pace: SnapshotPace
        var isClosed = false
    }

    private struct Destination: Hashable {
        let group: LogGroup
        let replica: ReplicaID
    }

    private let database: Database
    private let engine: Engine
    private let cluster: [UInt8]
    private let peers: any PeerRequests
    private let target: any SnapshotTarget
    private let options: SnapshotOptions
    private let logger: Logger
    private let incoming: IncomingSnapshots
    private let state: Mutex<State>
    private let began = ContinuousClock.now

    /// - Parameter cluster: id of the cluster, 128 bits.
    package init(
        database: Database, engine: Engine, cluster: [UInt8], peers: any PeerRequests, target: any SnapshotTarget,
        options: SnapshotOptions = SnapshotOptions(), logger: Logger
    ) {
        self.database = database
        self.engine = engine
        self.cluster = cluster
        self.peers = peers
        self.target = target
        self.options = options
        self.logger = logger
        incoming = IncomingSnapshots(
            engine: engine, cluster: cluster, target: target, options: options, logger: logger)
        state = Mutex(State(pace: SnapshotPace(bytesPerSecond: options.bytesPerSecond)))
    }

    /// Deletes what a crash left of transfers and switches.
    package func start() throws(GrapeError) {
        do throws(StorageError) {
            try engine.deleteUnusedGenerations()
        } catch {
            throw GrapeError(error)
        }
    }

    /// Ends all transfers and waits for their end: then the store has no user here.
    package func close() async {
        let tasks = state.withLock { state in
            state.isClosed = true
            state.waiting = []
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        while incoming.close() { try? await Task.sleep(for: .milliseconds(2)) }
    }

    /// What is on its way from here.
    package var transfers: [SnapshotTransfer] {
        state.withLock { Array($0.running.values) }.map(\.transfer)
            .sorted { ($0.group.number, $0.to.rawValue) < ($1.group.number, $1.to.rawValue) }
    }

    /// Answers another node's request.
    package func answer(_ body: [UInt8], from node: NodeNumber) async -> [UInt8] {
        await incoming.answer(body, from: node).encoded
    }

    // MARK: Sending

    /// One that is on its way already is not sent again: it ends with a report all the same.
    package func sendSnapshot(_ message: GroupMessage) {
        let key = Destination(group: message.group, replica: message.message.to)
        state.withLock { state in
            let isKnown =
                state.running[key] != nil
                || state.waiting.contains { $0.group == key.group && $0.message.to == key.replica }
            if !isKnown, !state.isClosed { state.waiting.append(message) }
        }
        startWaiting()
    }

    private func startWaiting() {
        state.withLock { state in
            while state.running.count < options.outgoingMax, !state.waiting.isEmpty {
                let message = state.waiting.removeFirst()
                let key = Destination(group: message.group, replica: message.message.to)
                let snapshot = OutgoingSnapshot(
                    message, database: database, cluster: cluster, shardCount: engine.shardCount, peers: peers,
                    options: options, logger: logger, pause: { [weak self] in await self?.pause($0) })
                state.running[key] = snapshot
                state.tasks[key] = Task { [weak self] in
                    let isInstalled = await snapshot.run()
                    self?.ended(key, isInstalled)
                }
            }
        }
    }

    private func ended(_ key: Destination, _ isInstalled: Bool) {
        state.withLock { state in
            state.running[key] = nil
            state.tasks[key] = nil
        }
        target.reportSnapshot(key.group, replica: key.replica, succeeded: isInstalled)
        startWaiting()
    }

    private func pause(_ bytes: Int) async {
        let now = ContinuousClock.now - began
        let nanoseconds =
            UInt64(now.components.seconds) * 1_000_000_000 + UInt64(now.components.attoseconds / 1_000_000_000)
        let wait = state.withLock { $0.pace.take(bytes, at: nanoseconds) }
        if wait > 0 { try? await Task.sleep(for: .nanoseconds(wait)) }
    }
}
