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
            guard let base = source.baseAddress else { return }
            let scale = metric == .cosine ? Self.normalisation(source) : 1
            grape_scaled(base, layout.dimension, scale, slot)
        }
        (slot + layout.dimension).update(repeating: 0, count: layout.paddedDimension - layout.dimension)
    }

    /// A zero vector stays one.
    private static func normalisation(_ vector: UnsafeBufferPointer<Float>) -> Double {
        guard let base = vector.baseAddress else { return 1 }
        let sum = grape_squared_length(base, vector.count)
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

    /// How far behind the answer of a rank a walk looks for more.
    ///
    /// Under the dot product a distance says nothing of how far away a point lies: only the width bounds the walk.
    /// - Parameter queryNorm: squared length of the query, if distances are estimates.
    func reach(rank: Int, queryNorm: Float?) -> Beam.Reach {
        let share = IndexLimits.reachShare
        // For a point near the query estimates of the product deviate by so many lengths of the query times the
        // distance between the two, by squared lengths of both.
        let deviation = queryNorm == nil ? 0 : 0.756 / Float(layout.dimension).squareRoot()
        let root = 2 * deviation * IndexLimits.reachDeviations
        switch metric {
        case .cosine: return Beam.Reach(rank: rank, origin: -1, share: share, rootShare: root / Float(2).squareRoot())
        case .euclidean:
            return Beam.Reach(
                rank: rank, origin: 0, share: share, rootShare: root * (queryNorm ?? 0).squareRoot())
        // A length, not its square.
        case .manhattan: return Beam.Reach(rank: rank, origin: 0, share: (1 + share).squareRoot() - 1)
        case .dotProduct: return .unlimited
        }
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
