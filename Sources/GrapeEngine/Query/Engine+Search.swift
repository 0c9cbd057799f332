import GrapeIndex
import GrapeModel
import GrapeStorage

extension Engine {
    /// The points nearest to the request's vector, best first. The request's numbers have been checked.
    ///
    /// The indexes name candidates; then their rows are read, where more is asked for than ids and scores. A row may be
    /// newer than what the index saw: a changed vector is scored again, a changed payload filtered again, and where a
    /// point is gone and results fall short the search is run once more (three times at most: each time somebody wrote
    /// meanwhile).
    ///
    /// - Parameter shards: where to search; nil: in all that this node answers for.
    package func search(
        _ request: SearchRequest, in collection: Collection, shards: ShardSet? = nil
    ) throws(GrapeError) -> [ScoredPoint] {
        guard let position = collection.schema.vectorIndex(named: request.using) else {
            throw GrapeError(
                .invalidRequest, "collection \(collection.schema.name) has no vector named \"\(request.using)\"")
        }
        var query = SearchRun(
            engine: self, collection: collection, position: position, request: request, shards: shards)
        guard let shards else { return try results(of: &query) }
        return try whileServed(shards) { () throws(GrapeError) in try results(of: &query) }
    }

    private func results(of query: inout SearchRun) throws(GrapeError) -> [ScoredPoint] {
        var isComplete = false
        for _ in 0..<3 where !isComplete {
            isComplete = try storing { () throws(StorageError) in try query.run() }
        }
        return query.results
    }
}

/// Where a search looks: the generations whose rows count, and the shards, nil where all points of the index do.
struct SearchScope: Sendable {
    private let generations: [ReplicaGeneration]
    let shards: ShardSet?

    init(_ engine: Engine, shards wanted: ShardSet?) {
        let (generations, served, isWhole) = engine.serving.withLock {
            ($0.generations, $0.served, $0.hidden.isEmpty)
        }
        self.generations = generations
        if isWhole, wanted.map({ served.isSubset(of: $0) }) ?? true {
            shards = nil
        } else {
            shards = wanted.map { ShardSet($0.sorted.filter(served.contains)) } ?? served
        }
    }

    func prefix(_ shard: ShardID, _ collection: CollectionID) -> RowKeyPrefix {
        RowKeyPrefix(shard: shard, generation: generations[Int(shard.rawValue)], collection: collection)
    }
}

extension DistanceMetric {
    package func isBetter(_ score: Float, than other: Float) -> Bool {
        higherIsBetter ? score > other : score < other
    }
}
