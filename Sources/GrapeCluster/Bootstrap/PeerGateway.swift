import GrapeEngine
import GrapeModel
import GrapeRaft
import Synchronization

/// What other nodes' connections end at: first the bootstrap, then the running node.
///
/// Thread safety: `stage` is guarded by its mutex.
final class PeerGateway: TransportHandler {
    struct Running: Sendable {
        let consensus: Consensus
        let service: PeerService
        let driver: ClusterDriver
        let admission: Admission
        let snapshots: SnapshotService?
        let backups: BackupService
    }

    private enum Stage {
        case starting
        case bootstrap(Bootstrap)
        case running(Running)
    }

    private let stage = Mutex(Stage.starting)

    func begin(_ bootstrap: Bootstrap) { stage.withLock { $0 = .bootstrap(bootstrap) } }

    func run(_ running: Running) { stage.withLock { $0 = .running(running) } }

    func stop() { stage.withLock { $0 = .starting } }

    private var running: Running? {
        stage.withLock { if case .running(let running) = $0 { running } else { nil } }
    }

    func received(_ messages: [GroupMessage], from node: NodeNumber) {
        running?.consensus.receive(messages, from: node)
    }

    func received(_ exchange: ReadExchange, from node: NodeNumber) {
        running?.consensus.receive(exchange, from: node)
    }

    func receivedReport(_ bytes: [UInt8], from node: NodeNumber) {
        guard let report = NodeReport(encoded: bytes), report.number == node else { return }
        running?.driver.received(report)
    }

    func disconnected(_ node: NodeNumber) { running?.consensus.disconnected(node) }

    func metricsPage() async -> [UInt8] {
        guard let running else { return [] }
        return RaftMetricsPage(running.consensus).text
    }

    func answer(_ request: [UInt8], from peer: PeerIdentity) async -> [UInt8] {
        let current = stage.withLock { $0 }
        guard let kind = request.first else { return PeerAnswer.unreadable.encoded }
        switch current {
        case .starting:
            guard BootstrapRequest.kinds.contains(kind) else { return PeerAnswer.unreadable.encoded }
            return BootstrapAnswer.wait("the node is starting").encoded
        case .bootstrap(let bootstrap):
            guard let request = BootstrapRequest(encoded: request) else { return PeerAnswer.unreadable.encoded }
            return bootstrap.answer(request).encoded
        case .running(let running):
            if BootstrapRequest.kinds.contains(kind) {
                guard let request = BootstrapRequest(encoded: request) else { return PeerAnswer.unreadable.encoded }
                if case .join(let greeting) = request, greeting.nodeID != peer.nodeID {
                    return BootstrapAnswer.refused("\(peer.nodeID) can't join as \(greeting.nodeID)").encoded
                }
                if case .rejoin(let greeting, _) = request, greeting.nodeID != peer.nodeID {
                    return BootstrapAnswer.refused("\(peer.nodeID) can't join as \(greeting.nodeID)").encoded
                }
                return await running.admission.answer(request).encoded
            }
            guard let number = peer.number else { return PeerAnswer.unreadable.encoded }
            if SnapshotRequest.kinds.contains(kind), let snapshots = running.snapshots {
                return await snapshots.answer(request, from: number)
            }
            if BackupRequest.kinds.contains(kind) { return await running.backups.answer(request) }
            return await running.service.answer(request).encoded
        }
    }
}
