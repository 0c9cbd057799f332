import GrapeCluster
import GrapeModel

/// The text of `GET /metrics`: this process, its requests, and what its node holds.
struct MetricsPage {
    private let requests: RequestTotals
    private let traffic: NetworkTraffic
    private let activeConnections: Int
    private let process: ProcessUsage
    var text = MetricsText()

    init(requests: RequestTotals, traffic: NetworkTraffic, activeConnections: Int) {
        self.requests = requests
        self.traffic = traffic
        self.activeConnections = activeConnections
        process = ProcessUsage.now()
    }

    /// - Parameter node: nil while there is none that serves.
    static func make(
        requests: RequestTotals, traffic: NetworkTraffic, activeConnections: Int, node: Node?
    ) async -> String {
        var page = MetricsPage(requests: requests, traffic: traffic, activeConnections: activeConnections)
        page.writeRequests()
        page.writeProcess()
        page.text.single("grape_node_up", .gauge, "Whether this node can serve.", node == nil ? 0 : 1)
        if let node, let statistics = try? await node.statistics(), let shards = try? await node.shardStatistics() {
            page.write(statistics)
            page.write(shards)
            page.write(node.scrubFigures)
            page.write(node.consistencyFigures, node.faultFigures)
        }
        return page.text.text
    }

    private mutating func writeRequests() {
        text.family("grape_query_duration_seconds", .summary, "Time from a query's head to its answer, last minute.")
        for operation in Operation.allCases where operation.isQuery {
            let total = requests.queries[operation] ?? LatencyTotal()
            let label = (name: "operation", value: operation.label)
            for (quantile, percentile) in [("0.5", 50.0), ("0.95", 95.0), ("0.99", 99.0)] {
                text.sample(
                    "grape_query_duration_seconds", [label, ("quantile", quantile)],
                    total.seconds(percentile: percentile) ?? .nan)
            }
            text.sample("grape_query_duration_seconds_sum", [label], Double(total.nanoseconds) / 1e9)
            text.sample("grape_query_duration_seconds_count", [label], Double(total.count))
        }
        text.family("grape_request_duration_seconds", .histogram, "Time from a request's head to its answer.")
        for (key, buckets) in requests.sortedRequests { write(buckets, key) }
        text.single("grape_queries_total", .counter, "Searches answered.", Double(requests.searches))
        text.single(
            "grape_errors_total", .counter, "Answers with a status of 400 or above.", Double(requests.errors))
        text.single(
            "grape_active_connections", .gauge, "Open connections of clients.", Double(activeConnections))
        text.single(
            "grape_network_received_bytes_total", .counter, "Bytes received from clients.",
            Double(traffic.receivedBytes))
        text.single(
            "grape_network_sent_bytes_total", .counter, "Bytes sent to clients.", Double(traffic.sentBytes))
    }

    private mutating func write(_ buckets: LatencyBuckets, _ key: RequestTotals.Key) {
        let name = "grape_request_duration_seconds"
        let labels = [
            (name: "protocol", value: key.wire.label), (name: "operation", value: key.operation.label),
            (name: "code", value: String(key.status)),
        ]
        var count: UInt64 = 0
        for (bucket, bound) in LatencyBuckets.bounds.enumerated() {
            count += buckets.counts[bucket]
            text.sample(name + "_bucket", labels + [("le", bound.text)], Double(count))
        }
        text.sample(name + "_bucket", labels + [("le", "+Inf")], Double(buckets.count))
        text.sample(name + "_sum", labels, Double(buckets.nanoseconds) / 1e9)
        text.sample(name + "_count", labels, Double(buckets.count))
    }

    private mutating func writeProcess() {
        text.single(
            "process_cpu_seconds_total", .counter, "CPU time of this process, user and system.", process.cpuSeconds)
        text.single(
            "process_resident_memory_bytes", .gauge, "Resident memory of this process.", Double(process.residentBytes))
        text.single("process_open_fds", .gauge, "Open file descriptors.", Double(process.openFiles))
        text.single(
            "process_start_time_seconds", .gauge, "Start of this process, in seconds since 1970.",
            process.startSeconds)
        text.single(
            "grape_disk_read_bytes_total", .counter, "Bytes this process caused to be read from disk.",
            Double(process.diskReadBytes))
        text.single(
            "grape_disk_written_bytes_total", .counter, "Bytes this process caused to be written to disk.",
            Double(process.diskWrittenBytes))
    }

    private mutating func write(_ statistics: NodeStatistics) {
        text.single("grape_vectors_total", .untyped, "Points that this node holds.", Double(statistics.points))
        text.single(
            "grape_indexed_vectors_total", .untyped, "Points whose vectors are in the graph.",
            Double(statistics.indexedPoints))
        text.single("grape_collections", .gauge, "Collections.", Double(statistics.collections))
        text.single(
            "grape_memory_usage_bytes", .gauge, "Memory of the node.", Double(statistics.memory.totalBytes))
        text.single(
            "grape_memory_limit_bytes", .gauge, "Memory beyond which writes are refused.",
            Double(statistics.memoryLimitBytes))
        let disk = statistics.disk
        text.single(
            "grape_disk_usage_bytes", .gauge, "Disk space that the node's data takes.",
            Double(disk.logBytes + disk.rowsBytes + disk.indexBytes + disk.backupBytes))
        text.single("grape_backup_bytes", .gauge, "Archives of the cluster on this node.", Double(disk.backupBytes))
        text.single("grape_disk_free_bytes", .gauge, "Disk space that is left.", Double(disk.freeBytes))
        text.single(
            "grape_cache_hit_ratio", .gauge, "Share of block reads that the cache answered.", statistics.cacheHitRatio)
        text.single(
            "grape_wal_syncs_total", .counter, "Syncs of the write-ahead log.", Double(statistics.walSyncs))
    }

    private mutating func write(_ shards: [ShardStatistics]) {
        text.family("grape_shard_healthy", .gauge, "Whether the shard has a leader and all its replicas.")
        for shard in shards { text.sample("grape_shard_healthy", [("shard", "\(shard.shard)")], 1) }
        text.family("grape_shard_points", .gauge, "Points of the shard on this node.")
        for shard in shards { text.sample("grape_shard_points", [("shard", "\(shard.shard)")], Double(shard.points)) }
    }
}
