import CVectorKernels
import GrapeModel

/// A kernel and the query it compares with.
struct Scorer {
    let score:
        @convention(c) (
            UnsafePointer<grape_query>?, UnsafePointer<UInt32>?, Int, UnsafeMutablePointer<Float>?
        ) -> Void
    let query: UnsafePointer<grape_query>

    @inline(__always)
    func callAsFunction(
        _ ordinals: UnsafePointer<UInt32>, _ count: Int, into distances: UnsafeMutablePointer<Float>
    ) {
        score(query, ordinals, count, distances)
    }
}

/// How vectors of an index are stored and compared.
///
/// Inside the index a distance is better when it is smaller, under every metric: the negated dot product (of normalised
/// vectors under cosine), the squared euclidean distance, the manhattan distance.
struct VectorSpace {
    let metric: DistanceMetric
    let layout: PointLayout
    private let kernels: grape_kernels

    init(parameters: IndexParameters, layout: PointLayout, kernels: grape_kernels = grape_kernels_best().pointee) {
        metric = parameters.metric
        self.layout = layout
        self.kernels = kernels
    }

    /// Copies a vector into a slot (or a query's buffer) in the form that is compared.
    func store(_ vector: Span<Float>, to slot: UnsafeMutablePointer<Float>) {
        precondition(
            vector.count == layout.dimension, "vector of \(vector.count) dimensions, index of \(layout.dimension)")
        vector.withUnsafeBufferPointer { source in
            let scale = metric == .cosine ? Self.normalisation(source) : 1
            for index in 0..<layout.dimension { slot[index] = Float(Double(source[index]) * scale) }
        }
        (slot + layout.dimension).update(repeating: 0, count: layout.paddedDimension - layout.dimension)
    }

    /// In double precision: squares of large floats overflow. A zero vector stays one.
    private static func normalisation(_ vector: UnsafeBufferPointer<Float>) -> Double {
        var sum = 0.0
        for value in vector { sum += Double(value) * Double(value) }
        return sum > 0 && sum.isFinite ? 1 / sum.squareRoot() : 1
    }

    /// Describes the float query at `query` to the kernels.
    func describe(
        _ query: UnsafePointer<Float>, against points: PointArena.View, in target: UnsafeMutablePointer<grape_query>
    ) {
        var description = grape_query()
        description.query = UnsafeRawPointer(query)
        description.chunks = UnsafePointer(points.chunks)
        description.section = layout.vectors
        description.stride = layout.vectorStride
        description.length = layout.paddedDimension
        target.pointee = description
    }

    /// Compares with full vectors.
    func fullScorer(_ query: UnsafePointer<grape_query>) -> Scorer {
        switch metric {
        case .cosine, .dotProduct: Scorer(score: kernels.negated_dot, query: query)
        case .euclidean: Scorer(score: kernels.squared_euclidean, query: query)
        case .manhattan: Scorer(score: kernels.manhattan, query: query)
        }
    }

    /// Compares with codes.
    func codeScorer(_ query: UnsafePointer<grape_query>) -> Scorer {
        Scorer(score: kernels.codes, query: query)
    }

    /// What a user calls the score.
    func score(distance: Float) -> Float {
        switch metric {
        case .cosine: min(1, max(-1, -distance))
        case .dotProduct: -distance
        case .euclidean: distance.squareRoot()
        case .manhattan: distance
        }
    }
}
