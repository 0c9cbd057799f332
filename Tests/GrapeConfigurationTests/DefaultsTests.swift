import GrapeConfiguration
import Testing

@Suite struct DefaultsTests {
    /// The contract's table, written down a second time; nil is unset.
    static let contract: [String: String?] = [
        "server.bind_address": nil, "server.rest_port": "6333", "server.grpc_port": "6334",
        "server.data_dir": "\"./data\"", "server.log_level": "\"info\"", "server.log_format": "\"pretty\"",
        "server.worker_threads": nil, "server.max_connections": "1000", "server.request_timeout_secs": "30",
        "server.max_request_bytes": "33554432",
        "cluster.enabled": nil, "cluster.node_id": "\"node-1\"", "cluster.node_address": nil,
        "cluster.raft_port": "7000", "cluster.raft_address": nil, "cluster.cluster_token": nil,
        "cluster.initial_peers": "[]", "cluster.join_cluster": "false", "cluster.seed_nodes": "[]",
        "cluster.failure_timeout_secs": "60",
        "raft.election_timeout_ms": "1000", "raft.heartbeat_interval_ms": "250",
        "raft.log_compaction_threshold": "10000", "raft.snapshot_interval": "1000", "raft.max_append_entries": "100",
        "sharding.shard_count": "16", "sharding.replica_count": "3", "sharding.rebalance_threshold": "0.1",
        "sharding.migration_batch_size": "1000",
        "vector.dimension": nil, "vector.distance_metric": "\"cosine\"", "vector.binary_quantization": "false",
        "vector.on_disk": "false",
        "storage.compression_enabled": "true", "storage.cache_size_mb": "512", "storage.write_buffer_size_mb": "64",
        "storage.max_write_buffer_number": "4", "storage.target_file_size_mb": "64",
        "storage.bloom_filter_bits_per_key": "10", "storage.sync_writes": "true",
        "index.m": "16", "index.ef_construction": "200", "index.ef_search": "100",
        "index.checkpoint_interval_secs": "300",
        "auth.enabled": "false", "auth.api_keys": "[]", "auth.readonly_keys": "[]",
        "tls.enabled": "false", "tls.cert_file": nil, "tls.key_file": nil, "tls.ca_file": nil,
        "monitoring.prometheus_enabled": "true", "monitoring.prometheus_port": "9090",
        "monitoring.metrics_interval_secs": "10",
        "limits.max_batch_size": "10000", "limits.max_search_results": "10000",
        "limits.max_payload_size_bytes": "1048576", "limits.max_dimension": "65536", "limits.memory_limit_mb": nil,
    ]

    /// What this program has beyond the contract.
    static let own: [String: String?] = ["index.backlog_limit": "8000"]

    @Test func `the keys and defaults are those of the contract`() {
        let keys = ConfigurationKey.all.map { ($0.fullName, $0.defaultLiteral) }
        let known = Self.contract.merging(Self.own) { first, _ in first }
        #expect(Dictionary(keys) { first, _ in first } == known)
        #expect(keys.count == known.count)
    }

    @Test func `every key sets a property of its own`() throws {
        var seen: Set<Configuration> = [Configuration()]
        for key in ConfigurationKey.all {
            let text = Self.otherValue(of: key)
            let overrides = try ConfigurationFlags.parse(["--\(key.flagName)=\(text)"])
            let value = try? Configuration.load(overrides: overrides)
            // Keys that need another one are set together with it.
            let loaded = try value ?? Configuration.load(overrides: ConfigurationFlags.parse(Self.company) + overrides)
            #expect(key.literal(loaded) != key.defaultLiteral, "\(key.fullName)")
            #expect(seen.insert(loaded).inserted, "\(key.fullName) sets the same as another key")
        }
    }

    @Test func `an empty configuration is a single node on 127.0.0.1`() throws {
        let configuration = try load("", hostName: "localhost")
        #expect(!configuration.isClustered)
        #expect(configuration.bindAddress == "127.0.0.1")
        #expect(configuration.nodeAddress.description == "127.0.0.1:6334")
        #expect(configuration.warnings.isEmpty && configuration.unsupported.isEmpty)
    }

    @Test func `limits reach the layers below`() throws {
        let limits = try load("limits = {max_batch_size = 7, max_payload_size_bytes = 9, max_dimension = 11}")
            .requestLimits
        #expect(limits.maxBatchSize == 7 && limits.maxPayloadBytes == 9 && limits.maxDimension == 11)
    }

    private static let company = [
        "--auth.api-keys=k", "--tls.cert-file=c", "--tls.key-file=k", "--cluster.seed-nodes=s:1",
        "--raft.election-timeout-ms=4000",
    ]

    private static func otherValue(of key: ConfigurationKey) -> String {
        switch key.kind {
        case .integer(let range):
            let fallback = key.defaultLiteral.flatMap { Int($0) } ?? range.lowerBound
            return String(range.contains(fallback + 100) ? fallback + 100 : fallback - 1)
        case .number: return "0.25"
        case .boolean: return key.defaultLiteral == "true" ? "false" : "true"
        case .choice(let names): return names.last ?? ""
        case .list where key.name == "initial_peers": return "node-1@host:1"
        case .list: return "other@host-\(key.name.count):1\(key.name.count)"
        case .text: return key.name.hasSuffix("address") && key.name != "bind_address" ? "host:17" : "other"
        }
    }
}
