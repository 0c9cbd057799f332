import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit
import Logging
import Synchronization
import Testing

/// Nodes that send each other snapshots over a link in this process, without consensus: a stand-in switches at once.
final class SnapshotWorld: Sendable {
    static let cluster = [UInt8](repeating: 3, count: 16)
    static let shards = 2

    let link: FaultyLink
    private let directories: [NodeNumber: TemporaryDirectory]
    private let nodes = Mutex<[NodeNumber: Node]>([:])
    let options: SnapshotOptions

    struct Node: Sendable {
        let engine: Engine
        let target: SwitchingTarget
        let service: SnapshotService
    }

    init(seed: UInt64 = 1, nodes: Int = 2, _ change: (inout SnapshotOptions) -> Void = { _ in }) throws {
        var options = SnapshotOptions()
        options.pause = .milliseconds(2)
        options.requestTimeout = .seconds(1)
        options.patience = .seconds(60)
        change(&options)
        self.options = options
        link = FaultyLink(seed: seed)
        var directories: [NodeNumber: TemporaryDirectory] = [:]
        for number in 1...UInt32(nodes) { directories[NodeNumber(number)] = try TemporaryDirectory() }
        self.directories = directories
        for number in directories.keys.sorted(by: { $0.rawValue < $1.rawValue }) { try start(number) }
    }

    subscript(_ number: UInt32) -> Node {
        guard let node = nodes.withLock({ $0[NodeNumber(number)] }) else {
            preconditionFailure("node \(number) is off")
        }
        return node
    }

    static func replica(_ group: LogGroup, on node: UInt32) -> ReplicaID {
        ReplicaID(node: NodeNumber(node), serial: UInt32(group.number) + 1)
    }

    // MARK: Life

    func start(_ number: NodeNumber) throws {
        var storage = StorageOptions()
        storage.cacheBytes = 1 << 20
        storage.writeBufferBytes = 2 << 20
        let path = try #require(directories[number]).path
        let engine = try Engine.open(
            database: Database.open(path: path, options: storage), shardCount: Self.shards, indexThreads: 1,
            checkpointIntervalSeconds: 300, logger: Self.logger)
        var states: [LogGroup: GroupState] = [:]
        var batch = try engine.database.makeBatch()
        for group in LogGroup.all(shardCount: Self.shards) {
            guard try engine.database.get(.state, StateKey.group(group)) == nil else { continue }
            let state = try engine.newGroupState(group, applied: LogIndex(0), term: 0, configuration: [])
            batch.put(.state, key: StateKey.group(group), value: state.encoded)
            states[group] = state
        }
        try engine.database.write(batch)
        engine.hold(states)
        let target = SwitchingTarget(number, engine)
        let service = SnapshotService(
            database: engine.database, engine: engine, cluster: Self.cluster, peers: link.from(number), target: target,
            options: options, logger: Self.logger)
        try service.start()
        link.join(number, service)
        nodes.withLock { $0[number] = Node(engine: engine, target: target, service: service) }
    }

    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    func stop(_ number: UInt32) async throws {
        let node = self[number]
        link.join(NodeNumber(number), nil)
        await node.service.close()
        nodes.withLock { $0[NodeNumber(number)] = nil }
        try node.engine.builder.stop()
        try node.engine.database.close()
    }

    func stopAll() async throws {
        for number in nodes.withLock({ Array($0.keys) }) { try await stop(number.rawValue) }
    }

    // MARK: Rows

    /// Points of some 4 KiB each in both shards, and the collection they belong to.
    static func fill(_ engine: Engine, points: UInt64 = 1_400, seed: UInt64 = 1) throws {
        var random = Xoshiro256(seed: seed)
        let collection = CollectionID(1)
        let vectors = [VectorSchema(dimension: 1_024, metric: .euclidean)]
        var next: [LogGroup: UInt64] = [:]
        var entries: [CommittedEntry] = []
        func append(_ group: LogGroup, _ bytes: [UInt8]) {
            next[group, default: 0] += 1
            entries.append(
                CommittedEntry(group: group, index: LogIndex(next[group] ?? 0), term: 2, content: .command(bytes)))
        }
        append(.catalog, CatalogCommand.create(name: "c", vectors: vectors).encoded)
        append(.catalog, CatalogCommand.created(collection).encoded)
        for id in 0..<points {
            var block: [UInt8] = []
            let values = (0..<1_024).map { _ in Float(random.below(1_000_000)) }
            VectorBlock.encode([PositionedVector(position: 0, values: values)], into: &block)
            let write = PointWrite(id: WrittenID(number: id), vectorBlock: block, payload: .empty)
            let shard = ShardHash.shard(of: write.id.id.encoded, in: collection, count: shards)
            let command = ShardCommand.upsert(collection, [write])
            append(.shard(shard), LogEntry(catalogVersion: CatalogVersion(2), command: command).encoded)
        }
        _ = try engine.apply(entries)
    }

    func digest(_ node: UInt32, _ shard: UInt16) throws -> RowDigest {
        try self[node].engine.digest(ShardID(shard), CollectionID(1))
    }

    // MARK: Transfers

    func send(_ group: LogGroup, from: UInt32 = 1, to: UInt32 = 2, term: UInt64 = 2) {
        let message = Message(
            .snapshot, from: Self.replica(group, on: from), to: Self.replica(group, on: to), term: Term(term))
        self[from].service.sendSnapshot(GroupMessage(group: group, message: message))
    }

    /// What the sender reported of its last transfer of the group, once it did.
    func report(_ group: LogGroup, from: UInt32 = 1, seconds: Int = 60) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            if let report = self[from].target.takeReport(group) { return report }
            try #require(ContinuousClock.now < end, "no report of group \(group.number)")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Generations of a shard that have rows on a node.
    func generations(_ node: UInt32, _ shard: UInt16) throws -> Set<UInt32> { Set(try allRows(node, shard)) }

    /// Points of a shard that have rows on a node.
    func rows(_ node: UInt32, _ shard: UInt16) throws -> Int { try allRows(node, shard).count }

    /// The generation of each row.
    private func allRows(_ node: UInt32, _ shard: UInt16) throws -> [UInt32] {
        let front = [UInt8(shard >> 8), UInt8(shard & 255)]
        var found: [UInt32] = []
        var cursor = try self[node].engine.database.cursor(
            .payloads, from: front, to: front + [0xff, 0xff, 0xff, 0xff])
        try cursor.seekToFirst()
        while cursor.isValid {
            found.append(cursor.key.uint32BigEndian(at: 2))
            try cursor.next()
        }
        return found
    }
}

/// Takes images as consensus would, at once and always, unless told otherwise.
final class SwitchingTarget: SnapshotTarget {
    private struct State {
        var absent: Set<LogGroup> = []
        var refuses = false
        var installs: [LogGroup] = []
        var reports: [LogGroup: Bool] = [:]
    }

    private let node: NodeNumber
    private let engine: Engine
    private let state = Mutex(State())

    init(_ node: NodeNumber, _ engine: Engine) {
        self.node = node
        self.engine = engine
    }

    var installs: [LogGroup] { state.withLock { $0.installs } }

    func drop(_ group: LogGroup) { state.withLock { _ = $0.absent.insert(group) } }
    func refuse() { state.withLock { $0.refuses = true } }
    func takeReport(_ group: LogGroup) -> Bool? { state.withLock { $0.reports.removeValue(forKey: group) } }

    func replica(of group: LogGroup) -> ReplicaID? {
        let isAbsent = state.withLock { $0.absent.contains(group) }
        return isAbsent ? nil : SnapshotWorld.replica(group, on: node.rawValue)
    }

    func install(_ image: SnapshotImage, from sender: ReplicaID, term: Term) async throws(GrapeError) -> Bool {
        guard !state.withLock({ $0.refuses }) else { return false }
        do {
            var batch = try engine.database.makeBatch()
            ReplicaRows.renew(image, HardState(), into: &batch)
            try engine.database.write(batch, sync: true)
        } catch {
            throw GrapeError(.internalError, "\(error)")
        }
        try engine.adopt(image.group, image.state, catalog: image.catalog)
        state.withLock { $0.installs.append(image.group) }
        return true
    }

    func reportSnapshot(_ group: LogGroup, replica: ReplicaID, succeeded: Bool) {
        state.withLock { $0.reports[group] = succeeded }
    }
}
