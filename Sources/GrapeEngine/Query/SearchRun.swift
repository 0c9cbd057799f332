import GrapeIndex
import GrapeModel
import GrapeStorage

/// One search on its way from candidates to results.
struct SearchRun {
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
        let found = if let named = named(hits) { named } else { try fetch(hits, scope: scope, filter: &filter) }
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

    // MARK: Results

    /// What the index alone can answer: ids and scores, as of the pin. nil where more is asked for, or the index has not
    /// heard yet how an id was written.
    private func named(_ hits: [Hit]) -> [ScoredPoint]? {
        guard !request.withPayload, !request.withVector, request.filter == nil else { return nil }
        var points: [ScoredPoint] = []
        points.reserveCapacity(hits.count)
        for hit in hits {
            let id = index.withKey(of: hit.ordinal) { key, tag in
                WrittenID.Form(tag: tag).flatMap { form in PointID(encoded: key).map { WrittenID(id: $0, form: form) } }
            }
            guard let id else { return nil }
            points.append(ScoredPoint(id: id, score: hit.score, payload: nil))
        }
        return points
    }

    private func fetch(
        _ hits: [Hit], scope: SearchScope, filter: inout RowFilter?
    ) throws(StorageError) -> [ScoredPoint] {
        let keys = hits.map { hit in
            let prefix = scope.prefix(ShardID(index.shard(of: hit.ordinal)), collection.schema.id)
            return index.withKey(of: hit.ordinal) { key, _ in prefix.key(ofEncoded: key) }
        }
        let reader = PointReader(database: engine.database)
        let rows = try engine.database.multiRead(.payloads, keys)
        var points: [ScoredPoint] = []
        points.reserveCapacity(hits.count)
        var isOrdered = true
        for (place, hit) in hits.enumerated() {
            guard let row = try reader.row(rows, place, key: keys[place]) else { continue }
            let isChanged = row.vectorVersion.rawValue != hit.version
            if !isChanged { index.setTag(of: hit.ordinal, row.form.tag) }
            guard let id = index.withKey(of: hit.ordinal, { key, _ in PointID(encoded: key) }),
                let point = try result(row, id: id, hit: hit, key: keys[place], isChanged: isChanged),
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
