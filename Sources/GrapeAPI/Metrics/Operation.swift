/// What a request asks for, as metrics tell requests apart.
package enum Operation: Int, Sendable, CaseIterable {
    case upsert, upsertBatch, get, delete, search, searchBatch, collections, cluster, statistics, health, other

    /// Value of the label `operation`.
    package var label: String {
        switch self {
        case .upsert: "upsert"
        case .upsertBatch: "upsert_batch"
        case .get: "get"
        case .delete: "delete"
        case .search: "search"
        case .searchBatch: "search_batch"
        case .collections: "collections"
        case .cluster: "cluster"
        case .statistics: "stats"
        case .health: "health"
        case .other: "other"
        }
    }

    /// Whether its latency shows in `grape_query_duration_seconds`.
    package var isQuery: Bool {
        switch self {
        case .get, .search, .searchBatch: true
        case .upsert, .upsertBatch, .delete, .collections, .cluster, .statistics, .health, .other: false
        }
    }
}

/// What a request came over, as metrics tell requests apart.
package enum WireProtocol: Int, Sendable {
    case rest, grpc

    /// Value of the label `protocol`.
    package var label: String {
        switch self {
        case .rest: "rest"
        case .grpc: "grpc"
        }
    }
}
