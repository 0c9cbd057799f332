/// How fresh a read must be.
package enum Consistency: String, Sendable, Hashable, CaseIterable {
    /// Sees every write acknowledged before it began, on any node.
    case strong
    /// Answers at once from what this node has applied.
    case eventual
}

/// One search for the points nearest to a vector.
package struct SearchRequest: Sendable {
    package var vector: [Float]
    /// Name of the vector that is searched.
    package var using: String
    package var limit: Int
    package var offset: Int
    package var filter: Filter?
    /// Results worse than this are cut.
    package var scoreThreshold: Float?
    package var withPayload: Bool
    package var withVector: Bool
    /// Candidates that the walk keeps; nil: the configured `ef_search`.
    package var ef: Int?
    /// Compare with every point instead of walking the graph.
    package var exact: Bool
    package var consistency: Consistency

    package init(
        vector: [Float], using: String = "", limit: Int = 10, offset: Int = 0, filter: Filter? = nil,
        scoreThreshold: Float? = nil, withPayload: Bool = true, withVector: Bool = false, ef: Int? = nil,
        exact: Bool = false, consistency: Consistency = .strong
    ) {
        self.vector = vector
        self.using = using
        self.limit = limit
        self.offset = offset
        self.filter = filter
        self.scoreThreshold = scoreThreshold
        self.withPayload = withPayload
        self.withVector = withVector
        self.ef = ef
        self.exact = exact
        self.consistency = consistency
    }
}

/// One result of a search.
package struct ScoredPoint: Sendable {
    package var id: WrittenID
    package var score: Float
    /// nil where it was not asked for.
    package var payload: Payload?
    /// Empty where they were not asked for.
    package var vectors: [NamedVector]

    package init(id: WrittenID, score: Float, payload: Payload?, vectors: [NamedVector] = []) {
        self.id = id
        self.score = score
        self.payload = payload
        self.vectors = vectors
    }
}
