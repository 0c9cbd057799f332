import GrapeModel

/// What an index is built with; none of it changes afterwards.
package struct IndexParameters: Hashable, Sendable {
    /// How the walk compares points.
    package enum Quantization: UInt8, Hashable, Sendable, CaseIterable {
        /// With full vectors.
        case none = 0
        /// With one bit a dimension of the rotated vector; the best candidates are rescored with full vectors.
        /// Manhattan distances do not survive a rotation: under that metric no codes are kept and this is `none`.
        case binary = 1
    }

    package let dimension: Int
    package let metric: DistanceMetric
    /// Links of a new point on each level; twice as many fit on level 0.
    package let m: Int
    /// Width of the search for a new point's neighbours.
    package let efConstruction: Int
    package let quantization: Quantization
    /// Fixes levels and rotation, so that the same inserts in the same order make the same graph.
    package let seed: UInt64

    package init(
        dimension: Int, metric: DistanceMetric, m: Int = 16, efConstruction: Int = 200,
        quantization: Quantization = .none, seed: UInt64 = 0
    ) {
        precondition((1...IndexLimits.dimensionMax).contains(dimension), "dimension \(dimension) out of range")
        precondition((2...IndexLimits.mMax).contains(m), "m \(m) out of range")
        precondition((1...IndexLimits.efMax).contains(efConstruction), "efConstruction \(efConstruction) out of range")
        self.dimension = dimension
        self.metric = metric
        self.m = m
        self.efConstruction = efConstruction
        self.quantization = quantization
        self.seed = seed
    }

    /// Whether walks compare codes.
    var walksCodes: Bool { quantization == .binary && metric != .manhattan }

    /// Whether there are codes. Beside long vectors they are kept in any case, a thirtieth of the memory: scans of the
    /// tail, or of what a filter leaves, then read one line or two of a point instead of dozens.
    var keepsCodes: Bool { walksCodes || dimension >= IndexLimits.codedDimensionMin && metric != .manhattan }

    /// Tells graphs apart that cannot stand for one another: a checkpoint made under another fingerprint is foreign.
    /// `efConstruction` is left out: it shapes a graph's quality, not what its numbers mean.
    var fingerprint: UInt64 {
        let facts: [UInt64] = [
            UInt64(dimension), UInt64(metric.rawValue), UInt64(m), walksCodes ? 1 : 0, seed,
        ]
        return facts.reduce(0x6772_6170_6569_6478) { hash, fact in SplitMix64.mix(hash ^ SplitMix64.mix(fact)) }
    }
}
