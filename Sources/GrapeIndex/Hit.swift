/// One answer of a search.
package struct Hit: Hashable, Sendable {
    package let ordinal: Ordinal
    /// Cosine similarity, dot product, euclidean distance or manhattan distance, as the index's metric has it.
    package let score: Float
    /// Version of the vector that was scored.
    package let version: UInt64

    package init(ordinal: Ordinal, score: Float, version: UInt64) {
        self.ordinal = ordinal
        self.score = score
        self.version = version
    }
}

/// Decides which points may be answers. Judging a point costs microseconds (it reads the point's row), so the index
/// asks about a point at most once a search, and in batches.
package protocol OrdinalFilter {
    /// Appends one verdict a point to `verdicts`, in the order of `ordinals`. A filter that can't judge keeps its
    /// error for the caller of the search and answers false.
    mutating func evaluate(_ ordinals: Span<Ordinal>, into verdicts: inout [Bool])
}
