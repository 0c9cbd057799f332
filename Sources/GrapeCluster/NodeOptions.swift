import GrapeModel
import GrapeStorage

/// What a node needs to know before it opens.
package struct NodeOptions: Sendable {
    package var dataDirectory: String
    package var nodeID = "node-1"
    /// Shards that the data directory is cut into; one that differs from what it has stops the start.
    package var shardCount = 16
    package var storage = StorageOptions()
    package var limits = Limits()
    package var defaults = CollectionDefaults()
    /// Candidates that a walk keeps where a search doesn't say.
    package var efSearch = 100
    package var checkpointIntervalSeconds = 300
    /// Threads for searches, and as many for building indexes.
    package var threads = 2
    /// Above this the node refuses writes; nil: what the machine or its control group allows.
    package var memoryLimitBytes: Int?

    package init(dataDirectory: String) { self.dataDirectory = dataDirectory }
}

/// How the collection `default` is made by the first write to it.
package struct CollectionDefaults: Sendable {
    /// nil: the first point decides.
    package var dimension: Int?
    package var metric = DistanceMetric.cosine
    package var quantization = Quantization.none
    package var m = 16
    package var efConstruction = 200

    package init() {}
}
