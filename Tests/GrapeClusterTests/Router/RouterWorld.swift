import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit
import Logging
import Synchronization
import Testing

/// A node that holds no shard and asks others, which a test plays.
final class RouterWorld: Sendable {
    static let shards = 4
    static let own = NodeNumber(1)
    static let collection = CollectionID(1)

    let peers = PlayedPeers()
    let engine: Engine
    let router: Router
    let cluster: ClusterState
    let pool = SearchPool(threads: 2)
    private let consensus: Consensus
    private let directory: TemporaryDirectory

    /// - Parameter holds: The node has all shards itself, but no consensus on them.
    init(holds: Bool = false) throws {
        directory = try TemporaryDirectory()
        engine = try Self.engine(directory.path, holds ? LogGroup.all(shardCount: Self.shards) : [.catalog])
        consensus = Consensus(
            database: engine.database, engine: engine, options: ConsensusOptions(), node: Self.own, sender: Nobody(),
            logger: Self.logger, failed: { _ in })
        try consensus.start()
        cluster = ClusterState(node: Self.own, shardCount: Self.shards)
        router = Router(consensus: consensus, engine: engine, cluster: cluster, peers: peers, pace: WritePace(limit: 0))
    }

    func close() async throws {
        await consensus.close()
        await pool.close()
        try engine.builder.stop()
        try engine.database.close()
    }

    private struct Nobody: MessageSender {
        func send(_ messages: [GroupMessage], to node: NodeNumber) {}
        func send(_ exchange: ReadExchange, to node: NodeNumber) {}
    }

    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// An engine with a collection of two dimensions.
    static func engine(_ path: String, _ groups: [LogGroup]) throws -> Engine {
        var options = StorageOptions()
        options.cacheBytes = 1 << 20
        options.writeBufferBytes = 1 << 20
        let engine = try Engine.open(
            database: Database.open(path: path, options: options), shardCount: shards, indexThreads: 1,
            checkpointIntervalSeconds: 300, logger: logger)
        var states: [LogGroup: GroupState] = [:]
        for group in groups {
            states[group] = try engine.newGroupState(group, applied: LogIndex(0), term: 0, configuration: [])
        }
        engine.hold(states)
        let create = CatalogCommand.create(name: "c", vectors: [VectorSchema(dimension: 2, metric: .euclidean)])
        _ = try engine.apply([
            CommittedEntry(group: .catalog, index: LogIndex(1), term: 1, content: .command(create.encoded)),
            CommittedEntry(
                group: .catalog, index: LogIndex(2), term: 1,
                content: .command(CatalogCommand.created(collection).encoded)),
        ])
        return engine
    }

    func hints(_ leaders: [LogGroup: UInt32]) {
        cluster.update { $0.leaderHints = leaders.mapValues { NodeNumber($0) } }
    }

    func holders(_ holders: [UInt16: [UInt32]], own: [UInt16] = []) {
        cluster.update { view in
            view.holders = Dictionary(
                uniqueKeysWithValues: holders.map { (ShardID($0.key), $0.value.map { NodeNumber($0) }) })
            view.own = ShardSet(own.map { ShardID($0) })
        }
    }

    func commit(_ writes: [RoutedWrite], seconds: Double = 30) async -> [WriteFate] {
        await router.commit(writes, deadline: .now + .milliseconds(Int(seconds * 1_000)))
    }

    /// A write of one point to its shard.
    static func write(_ id: UInt64, _ value: Float, _ origin: WriteOrigin, pieceBytes: Int? = nil) -> RoutedWrite {
        var block: [UInt8] = []
        VectorBlock.encode([PositionedVector(position: 0, values: [value, value])], into: &block)
        let point = PointWrite(id: WrittenID(number: id), vectorBlock: block, payload: .empty)
        let entry = LogEntry(
            catalogVersion: CatalogVersion(2), origin: origin, command: .upsert(collection, [point]))
        return RoutedWrite(
            group: .shard(shard(id)),
            entries: pieceBytes.map { entry.encodedPieces(entryBytesMax: $0) } ?? entry.encodedPieces)
    }

    static func shard(_ id: UInt64) -> ShardID {
        ShardHash.shard(of: PointID.integer(id).encoded, in: collection, count: shards)
    }
}

/// Other nodes, as a closure plays them.
final class PlayedPeers: PeerRequests {
    typealias Play = @Sendable (PeerRequest, NodeNumber) async throws(PeerFailure) -> PeerAnswer

    private struct State {
        var play: Play = { _, _ throws(PeerFailure) in throw PeerFailure(mayHaveArrived: false, message: "nobody") }
        var raw: (@Sendable ([UInt8]) -> [UInt8])?
        var asked: [(request: [UInt8], node: NodeNumber, lane: PeerLane)] = []
    }

    private let state = Mutex(State())

    func play(_ body: @escaping Play) { state.withLock { $0.play = body } }
    /// Answers with these bytes, whatever they are.
    func answers(_ body: @escaping @Sendable ([UInt8]) -> [UInt8]) { state.withLock { $0.raw = body } }

    var asked: [(request: [UInt8], node: NodeNumber, lane: PeerLane)] { state.withLock { $0.asked } }
    var nodes: [UInt32] { asked.map(\.node.rawValue) }

    func request(
        _ body: [UInt8], to node: NodeNumber, lane: PeerLane, deadline: ContinuousClock.Instant,
        unless isOver: @escaping @Sendable () -> Bool
    ) async throws(PeerFailure) -> [UInt8] {
        let (play, raw) = state.withLock { state in
            state.asked.append((body, node, lane))
            return (state.play, state.raw)
        }
        if let raw { return raw(body) }
        guard let (request, milliseconds) = PeerRequest.decode(body) else {
            throw PeerFailure(mayHaveArrived: true, message: "not to be read")
        }
        // The machine may have stood still since the time was written down.
        if .milliseconds(Int(milliseconds)) > deadline - .now + .seconds(5) { Issue.record("more time than there is") }
        return try await play(request, node).encoded
    }
}

/// A shard on another node: applies what is proposed, in the order in which it comes.
final class PlayedShard: Sendable {
    private let engine: Engine
    private let directory: TemporaryDirectory
    private let next = Mutex<[LogGroup: UInt64]>([:])

    init() throws {
        directory = try TemporaryDirectory()
        engine = try RouterWorld.engine(directory.path, LogGroup.all(shardCount: RouterWorld.shards))
    }

    func propose(_ proposals: [Proposal]) -> [ProposalResult] {
        next.withLock { next in
            let entries = proposals.map { proposal in
                next[proposal.group, default: 0] += 1
                return CommittedEntry(
                    group: proposal.group, index: LogIndex(next[proposal.group] ?? 0), term: 1,
                    content: .command(proposal.entry))
            }
            guard let outcomes = try? engine.apply(entries) else { return entries.map { _ in .unknown } }
            return outcomes.map { .applied($0) }
        }
    }

    func value(_ id: UInt64) -> Float? {
        guard let collection = engine.collection(RouterWorld.collection) else { return nil }
        return (try? engine.point(.integer(id), in: collection))?.vectors.first?.values.first
    }

    /// Entries that were applied, of all shards.
    var applied: UInt64 { next.withLock { $0.values.reduce(0, +) } }

    func close() throws {
        try engine.builder.stop()
        try engine.database.close()
    }
}
