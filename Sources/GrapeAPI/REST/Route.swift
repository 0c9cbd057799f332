import NIOCore
import NIOHTTP1

/// A call that REST offers: what a method does to a resource.
package enum Route: Sendable, Hashable {
    case welcome, health, healthDetailed, live, ready, statistics
    case clusterInfo, clusterNodes, clusterShards, join, leave, migrationStatus, rebalance, rebalanceStatus
    case createSnapshot, snapshotState(String), latestBackup, verifyBackup, checkConsistency, repairConsistency
    case beginRestore, restorePoints(String), restoreContent(String), publishRestore, discardRestore(String)
    case listCollections, collectionExists(String)
    case createCollection(String), collection(String), dropCollection(String)
    case upsert(into: String), upsertBatch(into: String), search(in: String), searchBatch(in: String)
    case point(id: String, in: String), deletePoint(id: String, from: String)

    /// Who may make a call when `[auth]` is on.
    package enum Access {
        case open, read, write
    }

    /// nil where the resource has no such method. HEAD goes where GET goes.
    package init?(_ method: HTTPMethod, _ resource: Resource) {
        switch (method == .HEAD ? .GET : method, resource) {
        case (.GET, .welcome): self = .welcome
        case (.GET, .health): self = .health
        case (.GET, .healthDetailed): self = .healthDetailed
        case (.GET, .live): self = .live
        case (.GET, .ready): self = .ready
        case (.GET, .statistics): self = .statistics
        case (.GET, .clusterInfo): self = .clusterInfo
        case (.GET, .clusterNodes): self = .clusterNodes
        case (.GET, .clusterShards): self = .clusterShards
        case (.POST, .clusterJoin): self = .join
        case (.POST, .clusterLeave): self = .leave
        case (.GET, .migrationStatus): self = .migrationStatus
        case (.POST, .rebalance): self = .rebalance
        case (.GET, .rebalanceStatus): self = .rebalanceStatus
        case (.POST, .snapshots): self = .createSnapshot
        case (.GET, .snapshot(let id)): self = .snapshotState(id)
        case (.GET, .backupLatest): self = .latestBackup
        case (.GET, .backupVerify): self = .verifyBackup
        case (.GET, .consistencyCheck): self = .checkConsistency
        case (.POST, .consistencyRepair): self = .repairConsistency
        case (.POST, .restores): self = .beginRestore
        case (.POST, .restorePublish): self = .publishRestore
        case (.POST, .restorePoints(let id)): self = .restorePoints(id)
        case (.GET, .restoreContent(let id)): self = .restoreContent(id)
        case (.DELETE, .restore(let id)): self = .discardRestore(id)
        default: self.init(data: method == .HEAD ? .GET : method, resource)
        }
    }

    private init?(data method: HTTPMethod, _ resource: Resource) {
        switch (method, resource) {
        case (.GET, .collections): self = .listCollections
        case (.GET, .collectionExists(let name)): self = .collectionExists(name)
        case (.PUT, .collection(let name)): self = .createCollection(name)
        case (.GET, .collection(let name)): self = .collection(name)
        case (.DELETE, .collection(let name)): self = .dropCollection(name)
        case (.POST, .points(let name)): self = .upsert(into: name)
        case (.POST, .batch(let name)): self = .upsertBatch(into: name)
        case (.POST, .search(let name)): self = .search(in: name)
        case (.POST, .searchBatch(let name)): self = .searchBatch(in: name)
        case (.GET, .point(let name, let id)): self = .point(id: id, in: name)
        case (.DELETE, .point(let name, let id)): self = .deletePoint(id: id, from: name)
        case (.GET, .batch(let name)): self = .point(id: "batch", in: name)
        case (.DELETE, .batch(let name)): self = .deletePoint(id: "batch", from: name)
        case (.GET, .search(let name)): self = .point(id: "search", in: name)
        case (.DELETE, .search(let name)): self = .deletePoint(id: "search", from: name)
        default: return nil
        }
    }

    /// The methods of a resource, as the header `Allow` lists them.
    package static func methods(of resource: Resource) -> [HTTPMethod] {
        [.GET, .HEAD, .POST, .PUT, .DELETE].filter { Route($0, resource) != nil }
    }
}

extension Route {
    package var access: Access {
        switch self {
        case .welcome, .health, .live, .ready: .open
        case .healthDetailed, .statistics, .clusterInfo, .clusterNodes, .clusterShards, .migrationStatus,
            .rebalanceStatus, .snapshotState, .latestBackup, .verifyBackup, .checkConsistency, .listCollections,
            .collectionExists, .collection, .search, .searchBatch, .point:
            .read
        case .join, .leave, .rebalance, .createSnapshot, .repairConsistency, .beginRestore, .restorePoints,
            .restoreContent, .publishRestore, .discardRestore, .createCollection, .dropCollection,
            .upsert, .upsertBatch, .deletePoint:
            .write
        }
    }

    /// How long a call may take that is not bounded by the time of requests.
    var timeLimit: TimeAmount? {
        switch self {
        case .verifyBackup: .hours(1)
        case .restoreContent: .minutes(10)
        // It answers after 25 seconds at the latest.
        case .createSnapshot: .seconds(60)
        default: nil
        }
    }

    var operation: Operation {
        switch self {
        case .welcome: .other
        case .health, .healthDetailed, .live, .ready: .health
        case .statistics: .statistics
        case .clusterInfo, .clusterNodes, .clusterShards, .join, .leave, .migrationStatus, .rebalance,
            .rebalanceStatus, .createSnapshot, .snapshotState, .latestBackup, .verifyBackup, .checkConsistency,
            .repairConsistency, .beginRestore, .restorePoints, .restoreContent, .publishRestore, .discardRestore:
            .cluster
        case .listCollections, .collectionExists, .createCollection, .collection, .dropCollection: .collections
        case .upsert: .upsert
        case .upsertBatch: .upsertBatch
        case .search: .search
        case .searchBatch: .searchBatch
        case .point: .get
        case .deletePoint: .delete
        }
    }

    /// The calls that speak Qdrant's form: an envelope around the result.
    var isQdrantForm: Bool { operation == .collections }

    /// Query parameters that the call knows.
    var parameters: [String] {
        switch self {
        case .point: ["consistency"]
        case .checkConsistency: ["deep", "id"]
        case .restoreContent: ["shard"]
        case .createCollection, .dropCollection: ["timeout", "wait"]
        default: []
        }
    }
}
