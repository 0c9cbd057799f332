import GrapeModel

// Ranges stand in `ConfigurationKey.all`, the only place where they are enforced.

extension Configuration {
    /// `[server]`: ports, paths and bounds of the process.
    package struct Server: Sendable, Hashable {
        /// Unset: 127.0.0.1, or 0.0.0.0 in a cluster. Effective value: `Configuration.bindAddress`.
        package var bindAddress: String?
        /// 0 takes any free port.
        package var restPort = 6333
        /// 0 takes any free port.
        package var grpcPort = 6334
        package var dataDirectory = "./data"
        package var logLevel = LogLevel.info
        package var logFormat = LogFormat.pretty
        /// Unset: as many as the machine has cores.
        package var workerThreads: Int?
        package var maxConnections = 1_000
        package var requestTimeoutSeconds = 30
        package var maxRequestBytes = 33_554_432
    }

    /// `[cluster]`: who this node is and whom it knows.
    package struct Cluster: Sendable, Hashable {
        /// Unset: implied by `join_cluster`, `seed_nodes` or `initial_peers`. Effective: `Configuration.isClustered`.
        package var enabled: Bool?
        package var nodeID = "node-1"
        /// gRPC address as others reach it. Effective value: `Configuration.nodeAddress`.
        package var nodeAddress: HostPort?
        /// 0 takes any free port.
        package var raftPort = 7_000
        /// Address of `raft_port` as others reach it. Effective value: `Configuration.raftAddress`.
        package var raftAddress: HostPort?
        /// Secret shared by all nodes.
        package var token: String?
        /// The members that found the cluster together, this node among them.
        package var initialPeers: [PeerAddress] = []
        package var joinCluster = false
        /// Members asked for admission; a node id is not needed here.
        package var seedNodes: [PeerAddress] = []
        package var failureTimeoutSeconds = 60

        var isImplied: Bool { joinCluster || !seedNodes.isEmpty || !initialPeers.isEmpty }
    }

    /// `[raft]`: timing and batching of consensus.
    package struct Raft: Sendable, Hashable {
        /// At least four heartbeats.
        package var electionTimeoutMilliseconds = 1_000
        package var heartbeatIntervalMilliseconds = 250
        /// Entries kept behind the applied index.
        package var logCompactionThreshold = 10_000
        /// Entries between two checks for compaction.
        package var snapshotInterval = 1_000
        /// Entries in one append message.
        package var maxAppendEntries = 100
    }

    /// `[sharding]`: how data is spread.
    package struct Sharding: Sendable, Hashable {
        package var shardCount = 16
        package var replicaCount = 3
        /// Share of the mean by which a node may exceed it.
        package var rebalanceThreshold = 0.1
        /// Points sent at a time when a replica moves.
        package var migrationBatchSize = 1_000
    }

    /// `[vector]`: what the collection `default` is created with.
    package struct Vector: Sendable, Hashable {
        /// Unset: the first point decides.
        package var dimension: Int?
        package var distanceMetric = DistanceMetric.cosine
        package var binaryQuantization = false
        /// false keeps full vectors in memory.
        package var onDisk = false
    }

    /// `[storage]`: the key-value store under the data directory.
    package struct Storage: Sendable, Hashable {
        package var compressionEnabled = true
        package var cacheSizeMegabytes = 512
        package var writeBufferSizeMegabytes = 64
        package var maxWriteBufferNumber = 4
        package var targetFileSizeMegabytes = 64
        /// 0 builds no filters.
        package var bloomFilterBitsPerKey = 10
        /// false answers writes before they are on disk; refused in a cluster.
        package var syncWrites = true
    }

    /// `[index]`: the HNSW graph.
    package struct Index: Sendable, Hashable {
        package var m = 16
        package var efConstruction = 200
        package var efSearch = 100
        package var checkpointIntervalSeconds = 300
        /// 0: no limit.
        package var backlogLimit = 8_000
    }

    /// `[auth]`: API keys.
    package struct Auth: Sendable, Hashable {
        package var enabled = false
        package var apiKeys: [String] = []
        package var readonlyKeys: [String] = []
    }

    /// `[tls]`: PEM files.
    package struct TLS: Sendable, Hashable {
        package var enabled = false
        package var certFile: String?
        package var keyFile: String?
        /// Set: node-to-node traffic is mutual TLS.
        package var caFile: String?
    }

    /// `[monitoring]`: the Prometheus endpoint.
    package struct Monitoring: Sendable, Hashable {
        package var prometheusEnabled = true
        /// 0 takes any free port.
        package var prometheusPort = 9_090
        package var metricsIntervalSeconds = 10
    }

    /// `[limits]`: bounds on requests and memory.
    package struct Limits: Sendable, Hashable {
        package var maxBatchSize = 10_000
        package var maxSearchResults = 10_000
        package var maxPayloadBytes = 1_048_576
        package var maxDimension = 65_536
        /// Unset: the limit of the control group or of the machine.
        package var memoryLimitMegabytes: Int?
    }
}
