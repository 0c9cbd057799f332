/// How the walk through a graph compares vectors.
package enum Quantization: UInt8, Sendable, Hashable {
    /// Full vectors.
    case none = 0
    /// One bit a component after a random rotation; the best candidates are compared again with full vectors.
    case binary = 1
}

/// One named vector of a collection: every point may have one of each name. The unnamed vector has the name "".
package struct VectorSchema: Sendable, Hashable {
    package var name: String
    package var dimension: Int
    package var metric: DistanceMetric
    package var quantization: Quantization
    /// Links a node at level 0 is `2 * m`, above it `m`.
    package var m: Int
    package var efConstruction: Int

    package init(
        name: String = "", dimension: Int, metric: DistanceMetric = .cosine, quantization: Quantization = .none,
        m: Int = 16, efConstruction: Int = 200
    ) {
        self.name = name
        self.dimension = dimension
        self.metric = metric
        self.quantization = quantization
        self.m = m
        self.efConstruction = efConstruction
    }
}

/// What the catalog holds of a collection.
package struct CollectionSchema: Sendable, Hashable {
    package let id: CollectionID
    package var name: String
    package var vectors: [VectorSchema]

    package init(id: CollectionID, name: String, vectors: [VectorSchema]) {
        self.id = id
        self.name = name
        self.vectors = vectors
    }

    /// Position of a named vector in `vectors`.
    package func vectorIndex(named name: String) -> Int? {
        vectors.firstIndex { $0.name == name }
    }
}
