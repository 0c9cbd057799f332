import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Runs `BootstrapMachine`: asks other nodes what it wants asked, and writes its record down.
///
/// Thread safety: `state` is guarded by its mutex; `run` is called once, `answer` from any task. The record is written under
/// the mutex, so that nothing leaves which follows from an unwritten one.
final class Bootstrap: Sendable {
    private struct State {
        var machine: BootstrapMachine
        var lastNotice = ""
    }

    private let database: Database
    private let transport: Transport
    private let logger: Logger
    private let state: Mutex<State>

    private static let pause = Duration.milliseconds(300)
    /// After an answer that is to be followed at once: two nodes that send a joiner to each other don't keep it busy.
    private static let shortPause = Duration.milliseconds(20)
    private static let patience = Duration.seconds(3)

    init(
        record: MemberRecord, database: Database, transport: Transport, cluster: ClusterOptions, greeting: Greeting,
        replacing: UInt64? = nil, logger: Logger
    ) {
        self.database = database
        self.transport = transport
        self.logger = logger
        state = Mutex(
            State(
                machine: BootstrapMachine(
                    record: record, greeting: greeting, peers: cluster.initialPeers,
                    seeds: cluster.seeds.map(\.address), replicaCount: cluster.replicaCount,
                    replacing: replacing)))
    }

    /// Returns when the node is a member. Throws where it is refused, or where configurations contradict each other.
    func run() async throws(GrapeError) -> MemberRecord {
        if let flaw = state.withLock({ $0.machine.flaw }) { throw GrapeError(.cannotStart, flaw) }
        while true {
            guard !Task.isCancelled else { throw GrapeError(.unavailable, "the node is shutting down") }
            let answers = await answers(to: state.withLock { $0.machine.asks })
            let newCluster = NodeIdentity.newClusterID()
            let step = try change { $0.take(answers, newCluster: newCluster) }
            switch step {
            case .member: return joined()
            case .fail(let reason): throw GrapeError(.cannotStart, reason)
            case .again: try? await Task.sleep(for: Self.shortPause)
            case .wait(let notice):
                note(notice)
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    /// The answer of a node without a cluster.
    func answer(_ request: BootstrapRequest) -> BootstrapAnswer {
        do throws(GrapeError) {
            return try change { $0.answer(request) }
        } catch {
            return .wait(error.message)
        }
    }

    // MARK: Parts

    /// Lets the machine take a step, and keeps what it comes to: on disk first.
    private func change<Result>(
        _ body: (inout BootstrapMachine) -> Result
    ) throws(GrapeError) -> Result {
        do throws(StorageError) {
            return try state.withLock { (state) throws(StorageError) in
                var next = state.machine
                let result = body(&next)
                if next.record != state.machine.record { try next.record.write(database, joining: next.cluster) }
                state.machine = next
                return result
            }
        } catch {
            throw GrapeError(error)
        }
    }

    private func answers(to asks: [BootstrapMachine.Ask]) async -> [HostPort: BootstrapAnswer] {
        await withTaskGroup(of: (HostPort, BootstrapAnswer?).self) { tasks in
            for ask in asks { tasks.addTask { (ask.address, await self.answer(to: ask)) } }
            return await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private func answer(to ask: BootstrapMachine.Ask) async -> BootstrapAnswer? {
        do throws(PeerFailure) {
            let bytes = try await transport.request(
                ask.request.encoded, at: ask.address, deadline: .now + Self.patience)
            return BootstrapAnswer(encoded: bytes)
        } catch {
            return nil
        }
    }

    private func joined() -> MemberRecord {
        let machine = state.withLock { $0.machine }
        logger.info(
            machine.record.founded == nil ? "joined the cluster" : "cluster founded",
            metadata: [
                "cluster_id": "\(machine.cluster?.cluster.text ?? "")",
                "number": "\(machine.record.number?.rawValue ?? 0)",
            ])
        return machine.record
    }

    private func note(_ notice: String) {
        let isNew = state.withLock { state in
            defer { state.lastNotice = notice }
            return state.lastNotice != notice
        }
        if isNew { logger.info("\(notice)") }
    }
}
