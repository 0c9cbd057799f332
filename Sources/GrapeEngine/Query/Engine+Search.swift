import GrapeIndex
import GrapeModel
import GrapeStorage

extension Engine {
    /// The points nearest to the request's vector, best first. The request's numbers have been checked.
    ///
    /// The indexes name candidates; then their rows are read. A row may be newer than what the index saw: a changed
    /// vector is scored again, a changed payload filtered again, and where a point is gone and results fall short the
    /// search is run once more (three times at most: each time somebody wrote meanwhile).
    ///
    /// - Parameter shards: where to search; nil: in all that this node answers for.
    package func search(
        _ request: SearchRequest, in collection: Collection, shards: ShardSet? = nil
    ) throws(GrapeError) -> [ScoredPoint] {
        guard let position = collection.schema.vectorIndex(named: request.using) else {
            throw GrapeError(
                .invalidRequest, "collection \(collection.schema.name) has no vector named \"\(request.using)\"")
        }
        if let shards { try checkServed(shards) }
        var query = SearchRun(
            engine: self, collection: collection, position: position, request: request, shards: shards)
        var isComplete = false
        for _ in 0..<3 where !isComplete {
            isComplete = try storing { () throws(StorageError) in try query.run() }
        }
        // One that went meanwhile may have taken results along.
        if let shards { try checkServed(shards) }
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

/// One search on its way from candidates to results.
private struct SearchRun {
    let engine: Engine
    let collection: Collection
    let position: Int
    let request: SearchRequest
    let shards: ShardSet?
    private(set) var results: [ScoredPoint] = []

    private var index: CollectionIndex { collection.indexes[position] }
    private var metric: DistanceMetric { collection.schema.vectors[position].metric }
    private var wanted: Int { request.limit + request.offset }

    init(engine: Engine, collection: Collection, position: Int, request: SearchRequest, shards: ShardSet?) {
        self.engine = engine
        self.collection = collection
        self.position = position
        self.request = request
        self.shards = shards
    }

    /// False where a point went away between the walk and the reading of its row, and a result is missing for it.
    mutating func run() throws(StorageError) -> Bool {
        let scope = SearchScope(engine, shards: shards)
        let pin = engine.clock.pin()
        var filter = request.filter.map {
            RowFilter(
                filter: $0, database: engine.database, scope: scope, collection: collection.schema.id, index: index)
        }
        let hits = try candidates(in: scope, pin: pin, filter: &filter)
        let found = try fetch(hits, scope: scope, filter: &filter)
        // Until here: an ordinal that the pin shows is not given to another point.
        withExtendedLifetime(pin) {}
        let kept = found.filter { isGoodEnough($0.score) }.prefix(wanted).dropFirst(request.offset)
        results = Array(kept)
        return found.count == hits.count
    }

    private func candidates(
        in scope: SearchScope, pin: VisibilityPin, filter: inout RowFilter?
    ) throws(StorageError) -> [Hit] {
        let query = request.vector.span
        let ef = max(request.ef ?? wanted, wanted)
        if let filter = request.filter, let compiled = compile(filter, in: scope, pin: pin) {
            return index.search(
                query, limit: wanted, ef: ef, exact: request.exact, pin: pin, matching: compiled.match,
                list: compiled.list, mark: compiled.mark)
        }
        guard var asked = filter else {
            if let shards = scope.shards {
                return index.search(query, limit: wanted, ef: ef, exact: request.exact, pin: pin, shards: shards)
            }
            return index.search(query, limit: wanted, ef: ef, exact: request.exact, pin: pin)
        }
        let hits = index.search(query, limit: wanted, ef: ef, exact: request.exact, pin: pin, filter: &asked)
        if let failure = asked.failure { throw failure }
        filter = asked
        return hits
    }

    /// The filter as columns answer it; nil where it has to ask rows, for now or for ever.
    private func compile(_ filter: Filter, in scope: SearchScope, pin: VisibilityPin) -> PayloadFields.Compiled? {
        let fields = collection.fields[position]
        guard var compiled = fields.compile(filter, pin: pin) else {
            if fields.isIncomplete { engine.builder.wake() }
            return nil
        }
        compiled.match.shards = scope.shards
        return compiled
    }

    private func fetch(
        _ hits: [Hit], scope: SearchScope, filter: inout RowFilter?
    ) throws(StorageError) -> [ScoredPoint] {
        let reader = PointReader(database: engine.database)
        let ids = hits.map { index.key(of: $0.ordinal) }
        var keys: [[UInt8]] = []
        for (hit, id) in zip(hits, ids) {
            let shard = ShardID(index.shard(of: hit.ordinal))
            keys.append(scope.prefix(shard, collection.schema.id).key(ofEncoded: id))
        }
        var points: [ScoredPoint] = []
        points.reserveCapacity(hits.count)
        var isOrdered = true
        for (place, row) in try reader.rows(keys).enumerated() {
            guard let row, let id = PointID(encoded: ids[place]) else { continue }
            let isChanged = row.vectorVersion.rawValue != hits[place].version
            guard let point = try result(row, id: id, hit: hits[place], key: keys[place], isChanged: isChanged),
                try isMatching(point.row, id: id, key: keys[place], filter: &filter)
            else { continue }
            isOrdered = isOrdered && !isChanged
            points.append(point.scored)
        }
        if !isOrdered { points.sort { metric.isBetter($0.score, than: $1.score) } }
        return points
    }

    private func isMatching(
        _ row: PointRow, id: PointID, key: [UInt8], filter: inout RowFilter?
    ) throws(StorageError) -> Bool {
        guard filter != nil else { return true }
        guard let isMatching = filter?.matches(row, id: id) else {
            throw .damagedRow(path: engine.database.path, family: .payloads, key: key)
        }
        return isMatching
    }

    /// nil where the point has no vector of this name any more.
    private func result(
        _ row: PointRow, id: PointID, hit: Hit, key: [UInt8], isChanged: Bool
    ) throws(StorageError) -> (row: PointRow, scored: ScoredPoint)? {
        guard isChanged || request.withVector else { return (row, scored(row, id: id, score: hit.score, vectors: [])) }
        guard let (row, vectors) = try PointReader(database: engine.database).point(key) else { return nil }
        guard let vector = vectors.first(where: { Int($0.position) == position }) else { return nil }
        let score =
            row.vectorVersion.rawValue == hit.version
            ? hit.score : index.score(request.vector.span, vector: vector.values.span)
        return (row, scored(row, id: id, score: score, vectors: vectors))
    }

    private func scored(_ row: PointRow, id: PointID, score: Float, vectors: [PositionedVector]) -> ScoredPoint {
        ScoredPoint(
            id: WrittenID(id: id, form: row.form), score: score, payload: request.withPayload ? row.payload : nil,
            vectors: request.withVector ? collection.schema.named(vectors) : [])
    }

    private func isGoodEnough(_ score: Float) -> Bool {
        guard let threshold = request.scoreThreshold else { return true }
        return score == threshold || metric.isBetter(score, than: threshold)
    }
}

extension DistanceMetric {
    package func isBetter(_ score: Float, than other: Float) -> Bool {
        higherIsBetter ? score > other : score < other
    }
}
