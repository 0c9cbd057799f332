import GrapeCluster
import GrapeModel

extension Grape {
    /// How a database is opened. What concerns the collection counts for the first write to a new directory; later the
    /// directory's own values hold.
    public struct Options: Sendable {
        /// Numbers in a vector, 1 to 65,536; nil: the first point decides.
        public var dimension: Int?
        public var metric = Metric.cosine
        /// Walk over one bit a dimension and compare the best again with full vectors.
        public var binaryQuantization = false
        /// Links of a node in the index are `2 * m`.
        public var m = 16
        /// Candidates considered when a point is linked into the index.
        public var efConstruction = 200
        /// Candidates that a search keeps where it doesn't say.
        public var efSearch = 100
        /// Points that may wait for the index before writes wait for it: each makes searches slower. 0: any number.
        public var indexBacklog = 8_000
        /// Cache of rows read from disk, in bytes.
        public var cacheBytes = 64 << 20
        /// Writes held in memory before they go to files, in bytes.
        public var writeBufferBytes = 64 << 20
        /// Threads that search, and as many that build the index.
        public var threads = 2

        public init() {}

        func nodeOptions(path: String) -> NodeOptions {
            var node = NodeOptions(dataDirectory: path)
            node.storage.cacheBytes = cacheBytes
            node.storage.writeBufferBytes = max(1 << 20, writeBufferBytes / node.storage.maxWriteBuffers)
            node.defaults.dimension = dimension
            node.defaults.metric = metric.model
            node.defaults.quantization = binaryQuantization ? .binary : .none
            node.defaults.m = m
            node.defaults.efConstruction = efConstruction
            node.efSearch = efSearch
            node.backlogLimit = indexBacklog
            node.threads = threads
            return node
        }
    }
}

extension Grape.Metric {
    fileprivate var model: DistanceMetric {
        switch self {
        case .cosine: .cosine
        case .euclidean: .euclidean
        case .dotProduct: .dotProduct
        case .manhattan: .manhattan
        }
    }
}
