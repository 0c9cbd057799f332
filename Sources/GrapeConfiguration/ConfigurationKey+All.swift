extension ConfigurationKey {
    /// Every key, in the order in which documents list them.
    package static let all: [ConfigurationKey] =
        serverKeys + clusterKeys + raftKeys + shardingKeys + vectorKeys + storageKeys + indexKeys + authKeys + tlsKeys
        + monitoringKeys + limitsKeys

    /// Tables in the order of `all`.
    package static let tables: [String] = all.reduce(into: []) { tables, key in
        if tables.last != key.table { tables.append(key.table) }
    }

    package static func named(_ name: String, in table: String) -> ConfigurationKey? {
        all.first { $0.table == table && $0.name == name }
    }

    private static let port = 0...65_535
    private static let oneToMillion = 1...1_000_000
    private static let megabytes = 1...16_777_216
    private static let seconds = 1...86_400

    /// The same key under names that are shorter to type.
    private func short(variable: String? = nil, flag: String? = nil) -> Self {
        var copy = self
        copy.shortVariable = variable
        copy.shortFlag = flag
        return copy
    }

    /// The same key with its value kept out of messages.
    private func secret() -> Self {
        var copy = self
        copy.isSecret = true
        return copy
    }

    private static let serverKeys: [ConfigurationKey] = [
        .text(
            "server", "bind_address", \.server.bindAddress, .host,
            "Address that every port listens on. Unset: 127.0.0.1, or 0.0.0.0 in a cluster."
        ).short(flag: "bind-address"),
        .integer("server", "rest_port", \.server.restPort, port, "Port of REST and the dashboard; 0 takes a free one.")
            .short(variable: "GRAPE_REST_PORT", flag: "rest-port"),
        .integer("server", "grpc_port", \.server.grpcPort, port, "Port of gRPC; 0 takes a free one.")
            .short(variable: "GRAPE_GRPC_PORT", flag: "grpc-port"),
        .text("server", "data_dir", \.server.dataDirectory, .path, "Directory that holds all data.")
            .short(variable: "GRAPE_DATA_DIR", flag: "data-dir"),
        .choice("server", "log_level", \.server.logLevel, "Least severe messages that are logged.")
            .short(variable: "GRAPE_LOG_LEVEL", flag: "log-level"),
        .choice("server", "log_format", \.server.logFormat, "Log lines for people (pretty) or for programs (json).")
            .short(flag: "log-format"),
        .integer(
            "server", "worker_threads", \.server.workerThreads, 1...1_024,
            "Threads that serve requests. Unset: as many as the machine has cores."),
        .integer("server", "max_connections", \.server.maxConnections, oneToMillion, "Open client connections."),
        .integer(
            "server", "request_timeout_secs", \.server.requestTimeoutSeconds, 1...3_600,
            "Seconds until a request is answered with 504."),
        .integer(
            "server", "max_request_bytes", \.server.maxRequestBytes, 1_024...1_073_741_824, "Bytes of a request body."),
    ]

    private static let clusterKeys: [ConfigurationKey] = [
        .boolean(
            "cluster", "enabled", \.cluster.enabled,
            "Run as a member of a cluster. Unset: true where join_cluster, seed_nodes or initial_peers is set."
        ).short(variable: nil, flag: "cluster-enabled"),
        .text("cluster", "node_id", \.cluster.nodeID, .nodeID, "Name of this node, unique in its cluster.")
            .short(variable: "GRAPE_NODE_ID", flag: "node-id"),
        .text(
            "cluster", "node_address", \.cluster.nodeAddress, .address,
            "gRPC address at which others reach this node. Unset: this machine's name and grpc_port."),
        .integer("cluster", "raft_port", \.cluster.raftPort, port, "Port of node-to-node traffic; 0 takes a free one."),
        .text(
            "cluster", "raft_address", \.cluster.raftAddress, .address,
            "Address that other nodes dial. Unset: this node's entry in initial_peers, or node_address's host and raft_port."
        ).short(variable: "GRAPE_RAFT_ADDRESS"),
        .text(
            "cluster", "cluster_token", \.cluster.token, .secret,
            "Secret shared by all nodes of the cluster; never sent in clear."
        ).secret(),
        .list(
            "cluster", "initial_peers", \.cluster.initialPeers, .member,
            "Members that found the cluster together, this node among them; the port is raft_port."),
        .boolean("cluster", "join_cluster", \.cluster.joinCluster, "Join the cluster that seed_nodes belong to."),
        .list("cluster", "seed_nodes", \.cluster.seedNodes, .seed, "Members to ask for admission."),
        .integer(
            "cluster", "failure_timeout_secs", \.cluster.failureTimeoutSeconds, seconds,
            "Seconds of silence after which a node is replaced, where spare nodes exist."),
    ]

    private static let raftKeys: [ConfigurationKey] = [
        .integer(
            "raft", "election_timeout_ms", \.raft.electionTimeoutMilliseconds, 200...600_000,
            "Milliseconds without a leader until an election; at least 4 x heartbeat_interval_ms."),
        .integer(
            "raft", "heartbeat_interval_ms", \.raft.heartbeatIntervalMilliseconds, 50...150_000,
            "Milliseconds between a leader's signs of life."),
        .integer(
            "raft", "log_compaction_threshold", \.raft.logCompactionThreshold, 1...1_000_000_000,
            "Log entries kept behind the applied index."),
        .integer(
            "raft", "snapshot_interval", \.raft.snapshotInterval, 1...1_000_000_000,
            "Log entries between checks for compaction."),
        .integer("raft", "max_append_entries", \.raft.maxAppendEntries, 1...100_000, "Log entries in one message."),
    ]

    private static let shardingKeys: [ConfigurationKey] = [
        .integer(
            "sharding", "shard_count", \.sharding.shardCount, 1...1_024,
            "Shards that the data is cut into; fixed once the data directory exists."),
        .integer("sharding", "replica_count", \.sharding.replicaCount, 1...15, "Nodes that hold each shard."),
        .number(
            "sharding", "rebalance_threshold", \.sharding.rebalanceThreshold, 0...1,
            "Part of its fair share by which a node may hold more before shards move."),
        .integer(
            "sharding", "migration_batch_size", \.sharding.migrationBatchSize, 1...100_000,
            "Points sent at a time when a replica moves."),
    ]

    private static let vectorKeys: [ConfigurationKey] = [
        .integer(
            "vector", "dimension", \.vector.dimension, 1...65_536,
            "Components of a vector of the collection default. Unset: the first point decides."),
        .choice("vector", "distance_metric", \.vector.distanceMetric, "How two vectors are compared.")
            .short(variable: "GRAPE_DISTANCE_METRIC"),
        .boolean(
            "vector", "binary_quantization", \.vector.binaryQuantization,
            "Search by one bit a component first, then compare full vectors."),
        .boolean("vector", "on_disk", \.vector.onDisk, "Keep full vectors on disk instead of in memory."),
    ]

    private static let storageKeys: [ConfigurationKey] = [
        .boolean("storage", "compression_enabled", \.storage.compressionEnabled, "Compress data on disk.")
            .short(variable: "GRAPE_COMPRESSION_ENABLED"),
        .integer("storage", "cache_size_mb", \.storage.cacheSizeMegabytes, megabytes, "Block cache, in MiB.")
            .short(variable: "GRAPE_CACHE_SIZE_MB"),
        .integer(
            "storage", "write_buffer_size_mb", \.storage.writeBufferSizeMegabytes, 1...65_536,
            "Memory table that takes writes, in MiB."),
        .integer(
            "storage", "max_write_buffer_number", \.storage.maxWriteBufferNumber, 2...64,
            "Memory tables, the one being written included."),
        .integer(
            "storage", "target_file_size_mb", \.storage.targetFileSizeMegabytes, 1...65_536,
            "Table file on the first level, in MiB."),
        .integer(
            "storage", "bloom_filter_bits_per_key", \.storage.bloomFilterBitsPerKey, 0...64,
            "Bits a key of the filters of table files; 0 builds none."),
        .boolean(
            "storage", "sync_writes", \.storage.syncWrites,
            "Answer a write only once it is on disk; false is refused in a cluster."),
    ]

    private static let indexKeys: [ConfigurationKey] = [
        .integer("index", "m", \.index.m, 2...256, "Links of a point on each level of the graph."),
        .integer(
            "index", "ef_construction", \.index.efConstruction, 1...10_000,
            "Candidates kept while a point is linked: more is slower to build and finds more."),
        .integer(
            "index", "ef_search", \.index.efSearch, 1...10_000,
            "Candidates kept by a search that does not set ef: more is slower and finds more."),
        .integer(
            "index", "checkpoint_interval_secs", \.index.checkpointIntervalSeconds, seconds,
            "Seconds between checkpoints of the graph."),
        .integer(
            "index", "backlog_limit", \.index.backlogLimit, 0...1_000_000_000,
            "Points that may wait for the graph; writes wait then, as each makes searches slower. 0 never waits."),
    ]

    private static let authKeys: [ConfigurationKey] = [
        .boolean("auth", "enabled", \.auth.enabled, "Ask every client for a key."),
        .list("auth", "api_keys", \.auth.apiKeys, .secret, "Keys that may read and write.")
            .short(variable: "GRAPE_API_KEY").secret(),
        .list("auth", "readonly_keys", \.auth.readonlyKeys, .secret, "Keys that may only read.").secret(),
    ]

    private static let tlsKeys: [ConfigurationKey] = [
        .boolean("tls", "enabled", \.tls.enabled, "Serve REST and gRPC over TLS."),
        .text("tls", "cert_file", \.tls.certFile, .path, "PEM file of the certificate chain."),
        .text("tls", "key_file", \.tls.keyFile, .path, "PEM file of the private key."),
        .text("tls", "ca_file", \.tls.caFile, .path, "PEM file of the CA; set: node-to-node traffic is mutual TLS."),
    ]

    private static let monitoringKeys: [ConfigurationKey] = [
        .boolean(
            "monitoring", "prometheus_enabled", \.monitoring.prometheusEnabled, "Serve /metrics on prometheus_port."),
        .integer(
            "monitoring", "prometheus_port", \.monitoring.prometheusPort, port,
            "Port of Prometheus metrics; 0 takes a free one."
        ).short(flag: "prometheus-port"),
        .integer(
            "monitoring", "metrics_interval_secs", \.monitoring.metricsIntervalSeconds, 1...3_600,
            "Seconds between measurements of memory, disk and CPU."),
    ]

    private static let limitsKeys: [ConfigurationKey] = [
        .integer("limits", "max_batch_size", \.limits.maxBatchSize, oneToMillion, "Points in one batch."),
        .integer(
            "limits", "max_search_results", \.limits.maxSearchResults, oneToMillion, "limit + offset of one search."),
        .integer(
            "limits", "max_payload_size_bytes", \.limits.maxPayloadBytes, 2...1_073_741_824,
            "Bytes of one point's payload as compact JSON."),
        .integer("limits", "max_dimension", \.limits.maxDimension, 1...65_536, "Components of one vector."),
        .integer(
            "limits", "memory_limit_mb", \.limits.memoryLimitMegabytes, 16...16_777_216,
            "Memory in MiB at which writes are refused. Unset: the control group's or the machine's limit."),
    ]
}
