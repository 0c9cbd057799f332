import Foundation
import GrapeAPI
import GrapeCluster
import GrapeConfiguration
import GrapeModel
import Logging
import NIOCore
import ServiceLifecycle

/// The server: a node, its REST and gRPC ports and its metrics port, from start to stop.
///
/// Services stop in the order opposite to the one they are listed in: first gRPC and REST finish their requests, the node
/// closes last.
struct Server {
    let configuration: Configuration

    func run() async throws {
        let logger = Logger(label: "grape")
        if let threads = configuration.server.workerThreads { NIOSingletons.groupLoopCountSuggestion = threads }
        raiseOpenFilesLimit()
        let options = APIOptions(configuration)
        let serving = ServingState()
        let metrics = ServerMetrics(options)
        let rest = RESTServer(
            options: options, serving: serving, metrics: metrics,
            tls: try ServerTLS.context(configuration.tls, protocols: ["http/1.1"]), logger: logger)
        let grpc = GRPCServer(
            options: options, serving: serving, metrics: metrics,
            tls: try ServerTLS.context(configuration.tls, protocols: ["h2"]), logger: logger)
        let node = NodeService(
            configuration: configuration, serving: serving, rest: rest, grpc: grpc, logger: logger)
        var services: [any Service] = [node]
        if configuration.monitoring.prometheusEnabled {
            services.append(
                MetricsServer(
                    options: options, serving: serving, metrics: metrics, logger: logger,
                    activeConnections: { rest.activeConnections + grpc.activeConnections }))
        }
        services += [rest, grpc]
        let group = ServiceGroup(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "services") { _ in
                SwiftLogNoOpLogHandler()
            })
        do {
            try await group.run()
        } catch let failure as ListenFailure {
            // A port that was stopped while it opened is no failure.
            if !serving.isStopping { throw ServerFailure(.portUnavailable, "\(failure)") }
        }
        logger.info("stopped")
    }

    /// Connections and the store's files together exceed the usual soft limit.
    private func raiseOpenFilesLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// Opens the node once both ports are ours, hands it over, and closes it when nobody asks any more.
private struct NodeService: Service {
    let configuration: Configuration
    let serving: ServingState
    let rest: RESTServer
    let grpc: GRPCServer
    let logger: Logger

    func run() async throws {
        let port = try await rest.boundPort()
        let grpcPort = try await grpc.boundPort()
        let url = "\(configuration.tls.enabled ? "https" : "http")://\(configuration.bindAddress):\(port)"
        logger.info(
            "starting",
            metadata: [
                "version": "\(GrapeVersion.current)", "rest": "\(url)",
                "grpc": "\(configuration.bindAddress):\(grpcPort)",
                "data_dir": "\(configuration.server.dataDirectory)",
            ])
        let options = NodeOptions(configuration, restPort: port, grpcPort: grpcPort)
        let node = try await cancelWhenGracefulShutdown { [logger] in
            try await Node.open(options, logger: logger) { error in
                logger.critical("the node can't go on: \(error.message)")
                exit(ExitStatus.diskError.rawValue)
            }
        }
        serving.serve(node)
        logger.info("ready", metadata: ["rest": "\(url)"])
        try? await gracefulShutdown()
        await node.close()
    }
}

extension NodeOptions {
    /// - Parameters:
    ///   - restPort: The one that REST listens on.
    ///   - grpcPort: The one that gRPC listens on.
    init(_ configuration: Configuration, restPort: Int, grpcPort: Int) {
        self.init(dataDirectory: configuration.server.dataDirectory)
        nodeID = configuration.cluster.nodeID
        version = GrapeVersion.current
        requestTimeoutSeconds = configuration.server.requestTimeoutSeconds
        raft.electionTimeoutMilliseconds = configuration.raft.electionTimeoutMilliseconds
        raft.heartbeatMilliseconds = configuration.raft.heartbeatIntervalMilliseconds
        raft.compactionThreshold = configuration.raft.logCompactionThreshold
        raft.snapshotInterval = configuration.raft.snapshotInterval
        raft.maxAppendEntries = configuration.raft.maxAppendEntries
        addresses.grpc = configuration.nodeAddress
        if addresses.grpc.port == 0 { addresses.grpc.port = grpcPort }
        addresses.rest = HostPort(host: configuration.nodeAddress.host, port: restPort)
        addresses.raft = configuration.raftAddress
        cluster = configuration.isClustered ? ClusterOptions(configuration) : nil
        shardCount = configuration.sharding.shardCount
        threads = configuration.server.workerThreads ?? ProcessInfo.processInfo.activeProcessorCount
        limits = configuration.requestLimits
        memoryLimitBytes = configuration.limits.memoryLimitMegabytes.map { $0 << 20 }
        efSearch = configuration.index.efSearch
        checkpointIntervalSeconds = configuration.index.checkpointIntervalSeconds
        backlogLimit = configuration.index.backlogLimit
        storage.compression = configuration.storage.compressionEnabled
        storage.cacheBytes = configuration.storage.cacheSizeMegabytes << 20
        storage.writeBufferBytes = configuration.storage.writeBufferSizeMegabytes << 20
        storage.maxWriteBuffers = configuration.storage.maxWriteBufferNumber
        storage.targetFileBytes = configuration.storage.targetFileSizeMegabytes << 20
        storage.bloomBitsPerKey = configuration.storage.bloomFilterBitsPerKey
        storage.syncWrites = configuration.storage.syncWrites
        defaults.dimension = configuration.vector.dimension
        defaults.metric = configuration.vector.distanceMetric
        defaults.quantization = configuration.vector.binaryQuantization ? .binary : .none
        defaults.m = configuration.index.m
        defaults.efConstruction = configuration.index.efConstruction
    }
}

extension ClusterOptions {
    fileprivate init(_ configuration: Configuration) {
        let tls = configuration.tls
        self.init(listen: HostPort(host: configuration.bindAddress, port: configuration.cluster.raftPort))
        token = configuration.cluster.token
        initialPeers = configuration.cluster.initialPeers
        seeds = configuration.cluster.seedNodes
        failureTimeoutSeconds = configuration.cluster.failureTimeoutSeconds
        replicaCount = configuration.sharding.replicaCount
        rebalanceThreshold = configuration.sharding.rebalanceThreshold
        if tls.enabled, let certificate = tls.certFile, let key = tls.keyFile, let authority = tls.caFile {
            self.tls = TransportOptions.TLSFiles(certificate: certificate, key: key, authority: authority)
        }
    }
}
