import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// Sends the rows of one group to one replica: says what is coming, then block after block, each when the receiver has
/// the one before. The receiver says where to go on, so requests and answers may be lost, repeated and come late.
///
/// Thread safety: `run` once; figures from any thread.
final class OutgoingSnapshot: Sendable {
    let message: GroupMessage
    private let database: Database
    private let cluster: [UInt8]
    private let shardCount: Int
    private let peers: any PeerRequests
    private let options: SnapshotOptions
    private let logger: Logger
    private let pause: @Sendable (Int) async -> Void
    private let figures: Mutex<SnapshotTransfer>

    /// - Parameter pause: waits until so many bytes may go.
    init(
        _ message: GroupMessage, database: Database, cluster: [UInt8], shardCount: Int, peers: any PeerRequests,
        options: SnapshotOptions, logger: Logger, pause: @escaping @Sendable (Int) async -> Void
    ) {
        self.message = message
        self.database = database
        self.cluster = cluster
        self.shardCount = shardCount
        self.peers = peers
        self.options = options
        self.logger = logger
        self.pause = pause
        figures = Mutex(
            SnapshotTransfer(group: message.group, to: message.message.to, points: 0, totalPoints: 0, bytes: 0))
    }

    var transfer: SnapshotTransfer { figures.withLock { $0 } }

    /// -> whether the receiver has installed what was sent.
    func run() async -> Bool {
        var export: ShardExport?
        defer { export?.close() }
        do throws(ExportError) {
            var place: Int?
            var giveUpAt = ContinuousClock.now + options.patience
            while !Task.isCancelled, ContinuousClock.now < giveUpAt {
                let current = try await export.orOpen { () throws(ExportError) in try self.open() }
                export = current
                guard let answer = try await ask(current, place) else {
                    place = nil
                    try? await Task.sleep(for: options.pause)
                    continue
                }
                switch answer {
                case .held(let count):
                    place = Int(count)
                    giveUpAt = .now + options.patience
                case .unknown: place = nil
                case .installed: return true
                case .busy:
                    // While nothing was sent a later moment is as good, and keeps the store from pinning an old one.
                    if place == nil {
                        current.close()
                        export = nil
                    }
                    place = nil
                    try? await Task.sleep(for: options.pause)
                case .refused(let reason):
                    note("a snapshot was refused", reason)
                    return false
                }
            }
            note("a snapshot was given up", Task.isCancelled ? "the node is stopping" : "no answer")
        } catch {
            note("a snapshot was not sent", "\(error)")
        }
        return false
    }

    private func open() throws(ExportError) -> ShardExport {
        try ShardExport(of: message.group, cluster: cluster, shardCount: shardCount, database: database)
    }

    /// One request. -> nil where no answer came.
    private func ask(_ export: ShardExport, _ place: Int?) async throws(ExportError) -> SnapshotAnswer? {
        let request = try await request(export, place)
        let body = request.encoded
        await pause(body.count)
        do throws(PeerFailure) {
            let bytes = try await peers.request(
                body, to: message.message.to.node, lane: .bulk, deadline: .now + options.requestTimeout)
            note(body.count, export)
            return SnapshotAnswer(encoded: bytes)
        } catch {
            return nil
        }
    }

    private func request(_ export: ShardExport, _ place: Int?) async throws(ExportError) -> SnapshotRequest {
        let (group, raft) = (message.group, message.message)
        let header = export.header.encoded
        guard let place else {
            return .begin(group, from: raft.from, to: raft.to, term: raft.term, header: header)
        }
        let block = try await SnapshotThreads.run { () throws(ExportError) in
            try export.seek(to: place)
            return try export.next()
        }
        // Behind the footer the receiver has nothing to ask for: it is to say again what it has come to.
        guard let block else { return .begin(group, from: raft.from, to: raft.to, term: raft.term, header: header) }
        return .block(group, to: raft.to, export: ExportID(of: header), number: UInt32(place), block)
    }

    private func note(_ bytes: Int, _ export: ShardExport) {
        let points = export.points
        figures.withLock { figures in
            figures = SnapshotTransfer(
                group: figures.group, to: figures.to, points: points, totalPoints: export.header.points,
                bytes: figures.bytes + UInt64(bytes))
        }
    }

    private func note(_ event: Logger.Message, _ reason: String) {
        logger.warning(
            event,
            metadata: [
                "group": "\(message.group.number)", "to": "\(message.message.to.node)", "reason": "\(reason)",
            ])
    }
}

extension ShardExport? {
    /// The export that is open, or a new one, made on a thread that may wait.
    fileprivate func orOpen(
        _ open: @escaping @Sendable () throws(ExportError) -> ShardExport
    ) async throws(ExportError) -> ShardExport {
        if let self { return self }
        return try await SnapshotThreads.run(open)
    }
}

extension ExportID {
    init(of header: [UInt8]) { self.init(rawValue: XXH64.hash(header)) }
}
