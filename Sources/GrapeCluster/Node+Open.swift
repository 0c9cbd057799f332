import Dispatch
import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// The way from a directory to a member of a cluster.
extension Node {
    static func openStore(_ options: NodeOptions) throws(GrapeError) -> Database {
        if options.cluster != nil, let reason = StoreAside.distrusted(options.dataDirectory) {
            throw GrapeError(.damaged, reason)
        }
        do {
            let database = try Database.open(path: options.dataDirectory, options: options.storage)
            database.startSpaceWatch()
            return database
        } catch {
            throw GrapeError(error)
        }
    }

    /// Listens for other nodes; nil on a node alone.
    static func listen(
        _ options: NodeOptions, _ gateway: PeerGateway, _ logger: Logger
    ) async throws(GrapeError) -> Transport? {
        guard let cluster = options.cluster else { return nil }
        var settings = TransportOptions(listen: cluster.listen, nodeID: options.nodeID)
        settings.token = cluster.token
        settings.tls = cluster.tls
        settings.silenceMilliseconds = max(1_000, 2 * options.raft.electionTimeoutMilliseconds)
        let transport = try Transport(settings, logger: logger)
        _ = try await transport.start(gateway)
        return transport
    }

    /// Who this node is: as the directory says, or as it becomes now.
    static func membership(
        _ options: NodeOptions, _ database: Database, _ transport: Transport?, _ gateway: PeerGateway, _ logger: Logger
    ) async throws(GrapeError) -> MemberRecord {
        // Another shard_count than the directory's is refused before anything else.
        let identity = try NodeIdentity.read(database, shardCount: options.shardCount)
        var record = try MemberRecord.readOrMake(database, nodeID: options.nodeID)
        guard record.number == nil else { return record }
        guard identity == nil else {
            throw GrapeError(
                .cannotStart,
                "\(database.path) was made before nodes had numbers, by a build that was never released: take an empty data_dir"
            )
        }
        let greeting = Greeting(
            nodeID: options.nodeID, bootID: record.bootID,
            initialPeers: (options.cluster?.initialPeers ?? []).compactMap(\.nodeID).sorted(),
            shardCount: options.shardCount,
            addresses: options.addresses, version: options.version)
        guard let transport, let cluster = options.cluster else {
            let layout = InitialLayout.make(founders: [greeting], shardCount: options.shardCount, replicaCount: 1)
            let founded = FoundedCluster(cluster: NodeIdentity.newClusterID(), layout: layout)
            record.number = NodeNumber(1)
            record.founded = founded
            do throws(StorageError) {
                try record.write(database, joining: founded)
            } catch {
                throw GrapeError(error)
            }
            return record
        }
        let before = MemberFile.read(options.dataDirectory)
        let bootstrap = Bootstrap(
            record: record, database: database, transport: transport, cluster: cluster, greeting: greeting,
            replacing: before.flatMap { $0.bootID == record.bootID ? nil : $0.bootID }, logger: logger)
        gateway.begin(bootstrap)
        return try await bootstrap.run()
    }

    /// Runs what waits for a disk on a thread of its own.
    static func blocking<Result: Sendable>(
        _ body: @escaping @Sendable () throws(GrapeError) -> Result
    ) async throws(GrapeError) -> Result {
        let result: Swift.Result<Result, GrapeError> = await withCheckedContinuation { answer in
            DispatchQueue(label: "grape.open").async {
                do throws(GrapeError) {
                    answer.resume(returning: .success(try body()))
                } catch {
                    answer.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}

/// Tells of a failure once: the node, as soon as it listens, and the process.
final class FailureSwitch: Sendable {
    private let process: @Sendable (GrapeError) -> Void
    private struct State {
        var node: (@Sendable (GrapeError) -> Void)?
    }

    private let state = Mutex(State())

    init(_ process: @escaping @Sendable (GrapeError) -> Void) { self.process = process }

    func onFailure(_ body: @escaping @Sendable (GrapeError) -> Void) { state.withLock { $0.node = body } }

    func fail(_ error: GrapeError) {
        state.withLock { $0.node }?(error)
        process(error)
    }
}
