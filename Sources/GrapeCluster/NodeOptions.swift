import GrapeEngine
import GrapeModel
import GrapeStorage

/// What a node needs to know before it opens.
package struct NodeOptions: Sendable {
    package var dataDirectory: String
    package var nodeID = "node-1"
    package var version = ""
    /// Shards that the data directory is cut into; one that differs from what it has stops the start.
    package var shardCount = 16
    package var storage = StorageOptions()
    package var limits = Limits()
    package var defaults = CollectionDefaults()
    /// Candidates that a walk keeps where a search doesn't say.
    package var efSearch = 100
    package var checkpointIntervalSeconds = 300
    /// Points that may wait for the graph before writes wait for them; 0: any number.
    package var backlogLimit = 8_000
    /// Threads for searches, and as many for building indexes.
    package var threads = 2
    /// Above this the node refuses writes; nil: what the machine or its control group allows.
    package var memoryLimitBytes: Int?
    package var requestTimeoutSeconds = 30
    package var raft = ConsensusOptions()
    package var scrub = ScrubOptions()
    /// Where clients and other nodes reach this one.
    package var addresses: MemberAddresses
    /// nil: a node alone.
    package var cluster: ClusterOptions?

    package init(dataDirectory: String) {
        self.dataDirectory = dataDirectory
        let nowhere = HostPort(host: "127.0.0.1", port: 0)
        addresses = MemberAddresses(grpc: nowhere, rest: nowhere, raft: nowhere)
    }
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

/// Who a node of a cluster is and whom it knows: `[cluster]`, `[sharding]`, `[tls]`.
package struct ClusterOptions: Sendable {
    /// Where node-to-node traffic is awaited.
    package var listen: HostPort
    package var token: String?
    package var initialPeers: [PeerAddress] = []
    package var seeds: [PeerAddress] = []
    package var failureTimeoutSeconds = 60
    package var replicaCount = 3
    package var rebalanceThreshold = 0.1
    /// Set: node-to-node traffic is mutual TLS.
    package var tls: TransportOptions.TLSFiles?

    package init(listen: HostPort) { self.listen = listen }
}
