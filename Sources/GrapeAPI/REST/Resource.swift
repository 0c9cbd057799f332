/// What a path names, whatever the method.
package enum Resource: Sendable, Hashable {
    case welcome, health, healthDetailed, live, ready, statistics
    case clusterInfo, clusterNodes, clusterShards, clusterJoin, clusterLeave, migrationStatus
    case rebalance, rebalanceStatus, snapshots, snapshot(String), backupLatest, backupVerify
    case consistencyCheck, consistencyRepair
    case restores, restore(String), restorePoints(String), restoreContent(String), restorePublish
    case collections, collection(String), collectionExists(String)
    case points(collection: String), batch(collection: String), search(collection: String)
    case searchBatch(collection: String), point(collection: String, id: String)

    /// The collection of the routes that name none.
    package static let unnamedCollection = "default"

    /// nil where there is no such path. An empty segment is no collection's name and no id.
    package init?(_ segments: [String]) {
        guard !segments.contains("") else { return nil }
        switch segments.count {
        case 0: self = .welcome
        case 1: self.init(segments[0])
        default:
            if segments[0] == "vectors" {
                self.init(vectors: segments[1...], of: Self.unnamedCollection)
            } else if segments[0] == "cluster" {
                self.init(cluster: Array(segments[1...]))
            } else if segments == ["health", "detailed"] {
                self = .healthDetailed
            } else if segments[0] == "collections" {
                self.init(collection: segments[1], rest: segments[2...])
            } else {
                return nil
            }
        }
    }

    private init?(_ word: String) {
        switch word {
        case "health": self = .health
        case "livez": self = .live
        case "readyz": self = .ready
        case "stats": self = .statistics
        case "collections": self = .collections
        case "vectors": self = .points(collection: Self.unnamedCollection)
        default: return nil
        }
    }

    private init?(collection: String, rest: ArraySlice<String>) {
        switch (rest.first, rest.count) {
        case (nil, _): self = .collection(collection)
        case ("exists", 1): self = .collectionExists(collection)
        case ("vectors", _): self.init(vectors: rest.dropFirst(), of: collection)
        default: return nil
        }
    }

    /// `batch` and `search` are calls as POST and ids otherwise, so `Route` tells them apart.
    private init?(vectors rest: ArraySlice<String>, of collection: String) {
        switch (rest.first, rest.count) {
        case (nil, _): self = .points(collection: collection)
        case ("batch", 1): self = .batch(collection: collection)
        case ("search", 1): self = .search(collection: collection)
        case ("search", 2) where rest.last == "batch": self = .searchBatch(collection: collection)
        case (let id?, 1): self = .point(collection: collection, id: id)
        default: return nil
        }
    }

    private init?(cluster rest: [String]) {
        switch rest {
        case ["info"]: self = .clusterInfo
        case ["nodes"]: self = .clusterNodes
        case ["shards"]: self = .clusterShards
        case ["join"]: self = .clusterJoin
        case ["leave"]: self = .clusterLeave
        case ["migration", "status"]: self = .migrationStatus
        case ["rebalance"]: self = .rebalance
        case ["rebalance", "status"]: self = .rebalanceStatus
        case ["snapshot"]: self = .snapshots
        case ["backup", "latest"]: self = .backupLatest
        case ["backup", "verify"]: self = .backupVerify
        case ["consistency", "check"]: self = .consistencyCheck
        case ["consistency", "repair"]: self = .consistencyRepair
        case ["restore"]: self = .restores
        case ["restore", "publish"]: self = .restorePublish
        default:
            switch (rest[0], rest.count, rest.last) {
            case ("snapshot", 2, _): self = .snapshot(rest[1])
            case ("restore", 2, _): self = .restore(rest[1])
            case ("restore", 3, "points"): self = .restorePoints(rest[1])
            case ("restore", 3, "content"): self = .restoreContent(rest[1])
            default: return nil
            }
        }
    }
}
