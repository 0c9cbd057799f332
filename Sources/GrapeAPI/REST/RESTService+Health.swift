import Foundation
import GrapeCluster
import GrapeModel

extension RESTService {
    /// The answers that need no node that works; nil for any other route.
    func healthAnswer(_ route: Route) -> HTTPAnswer? {
        switch route {
        case .welcome: return welcome()
        case .live: return HTTPAnswer(text: "ok\n")
        case .ready:
            do {
                _ = try serving.ready()
                return HTTPAnswer(text: "ok\n")
            } catch {
                var answer = HTTPAnswer(error)
                answer.contentType = .text
                answer.body = Array("\(error.message)\n".utf8)
                return answer
            }
        case .health:
            do {
                return health(status: try serving.ready().hasAllLeaders ? "ok" : "degraded")
            } catch {
                return HTTPAnswer(error) { json in
                    json.field("status", "unavailable")
                    json.field("node_id", options.nodeID)
                    json.field("version", options.version)
                }
            }
        default: return nil
        }
    }

    private func health(status: String) -> HTTPAnswer {
        HTTPAnswer { json in
            json.beginObject()
            json.field("status", status)
            json.field("node_id", options.nodeID)
            json.field("version", options.version)
            json.endObject()
        }
    }

    private func welcome() -> HTTPAnswer {
        HTTPAnswer { json in
            json.beginObject()
            json.field("title", "grape - vector database")
            json.field("version", options.version)
            json.endObject()
        }
    }

    func healthDetailed(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let statistics = try await node.statistics()
        let refusal = node.refusal
        let disk = statistics.disk
        let uptime = ContinuousClock.now - node.startedAt
        let connections = load()
        let processorPercent = processor.percent()
        return HTTPAnswer(status: refusal == nil ? 200 : 503) { json in
            let state = refusal == nil ? "ok" : "unavailable"
            json.beginObject()
            json.field("status", state)
            if let refusal { json.field("reason", refusal.message) }
            json.field("timestamp", Date.now.formatted(.iso8601))
            json.field("uptime_seconds", (uptime / .milliseconds(1)).rounded() / 1_000)
            json.field("node_id", options.nodeID)
            json.field("version", options.version)
            json.key("components")
            json.beginObject()
            for component in ["storage", "index", "raft"] { json.field(component, state) }
            json.endObject()
            json.key("metrics")
            json.beginObject()
            json.field("memory_usage_mb", megabytes(statistics.memory.totalBytes))
            json.field("cpu_usage_percent", processorPercent)
            json.field(
                "disk_usage_mb", megabytes(disk.logBytes + disk.rowsBytes + disk.indexBytes + disk.backupBytes))
            json.field("active_connections", connections)
            json.endObject()
            json.endObject()
        }
    }

    private func megabytes(_ bytes: Int) -> Double {
        (Double(bytes) / 1_048_576 * 10).rounded() / 10
    }

    func statistics(_ node: Node) async throws(GrapeError) -> HTTPAnswer {
        let statistics = try await node.statistics()
        return HTTPAnswer(capacity: 512) { json in
            json.beginObject()
            json.field("points", statistics.points)
            json.field("indexed_points", statistics.indexedPoints)
            json.field("collections", statistics.collections)
            json.field("shards", statistics.shards)
            json.key("memory")
            json.beginObject()
            json.field("vectors_bytes", statistics.memory.vectorsBytes)
            json.field("codes_bytes", statistics.memory.codesBytes)
            json.field("links_bytes", statistics.memory.linksBytes)
            json.field("cache_bytes", statistics.memory.cacheBytes)
            json.field("total_bytes", statistics.memory.totalBytes)
            json.endObject()
            json.key("disk")
            json.beginObject()
            json.field("log_bytes", statistics.disk.logBytes)
            json.field("rows_bytes", statistics.disk.rowsBytes)
            json.field("index_bytes", statistics.disk.indexBytes)
            json.field("backup_bytes", statistics.disk.backupBytes)
            json.field("free_bytes", statistics.disk.freeBytes)
            json.endObject()
            json.field("cache_hit_ratio", statistics.cacheHitRatio)
            json.endObject()
        }
    }
}
