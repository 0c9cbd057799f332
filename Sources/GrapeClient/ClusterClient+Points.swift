import GrapeModel

extension ClusterClient {
    // MARK: Writes

    /// Writes a point, new or not. On return it is on a majority's disks and every later strong read sees it.
    ///
    /// - Parameter collection: nil: `default`, which its first write makes.
    /// - Throws: `outcomeUnknown` where the deadline is over and the point may have been written, or may yet be. With
    ///   any other error it was not.
    public func upsertPoint(_ point: Point, in collection: String? = nil) async throws(GrapeError) {
        var json = JSONWriter(capacity: 128 + 12 * point.vector.count)
        json.point(point)
        _ = try await perform(Call(.POST, Call.vectors(collection), .keyedWrite, body: json.bytes))
    }

    /// Writes many points. All are checked before any is written; atomic in a shard, not across shards. Of one id twice
    /// the last wins.
    ///
    /// - Returns: The number of points written.
    /// - Throws: `outcomeUnknown` with a `writeOutcome` where some shards may have applied their part.
    @discardableResult
    public func upsertPoints(_ points: [Point], in collection: String? = nil) async throws(GrapeError) -> Int {
        var json = JSONWriter(capacity: points.reduce(64) { $0 + 128 + 12 * $1.vector.count })
        json.beginObject()
        json.key("vectors")
        json.beginArray()
        for point in points { json.point(point) }
        json.endArray()
        json.endObject()
        let call = Call(.POST, Call.vectors(collection, "batch"), .keyedWrite, body: json.bytes)
        return try await perform(call).field("upserted") { $0.int64.map(Int.init) }
    }

    /// Removes a point.
    ///
    /// - Returns: Whether it was there.
    @discardableResult
    public func deletePoint(id: ID, in collection: String? = nil) async throws(GrapeError) -> Bool {
        let path = Call.vectors(collection, Call.segment(id.description))
        return try await perform(Call(.DELETE, path, .keyedWrite)).field("deleted") { $0.bool }
    }

    // MARK: Reads

    /// The point under an id; nil where there is none.
    public func point(
        id: ID, in collection: String? = nil, consistency: Consistency = .strong
    ) async throws(GrapeError) -> Point? {
        let path = Call.vectors(collection, Call.segment(id.description)) + "?consistency=\(consistency.rawValue)"
        do {
            return try Point(JSONDocument(parsing: try await perform(Call(.GET, path, .read)).body).root)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// The points nearest to a vector, best first.
    public func search(
        _ vector: [Float], in collection: String? = nil, limit: Int = 10, filter: JSONValue? = nil
    ) async throws(GrapeError) -> [Match] {
        try await search(Search(vector, limit: limit, filter: filter), in: collection)
    }

    /// The points nearest to a vector, best first.
    public func search(_ search: Search, in collection: String? = nil) async throws(GrapeError) -> [Match] {
        var json = JSONWriter(capacity: 256 + 12 * search.vector.count)
        json.search(search)
        let answer = try await perform(Call(.POST, Call.vectors(collection, "search"), .read, body: json.bytes))
        return try answer.field("results") { $0.matches }
    }

    /// Several searches of one collection. All are checked before any is run.
    ///
    /// - Returns: One list of results for each search, in their order.
    public func searchBatch(_ searches: [Search], in collection: String? = nil) async throws(GrapeError) -> [[Match]] {
        var json = JSONWriter(capacity: searches.reduce(64) { $0 + 256 + 12 * $1.vector.count })
        json.beginObject()
        json.key("searches")
        json.beginArray()
        for search in searches { json.search(search) }
        json.endArray()
        json.endObject()
        let path = Call.vectors(collection, "search", "batch")
        return try await perform(Call(.POST, path, .read, body: json.bytes)).field("results") { node in
            node.kind == .array ? node.elements.map(\.matches) : nil
        }
    }
}

// MARK: - JSON

extension JSONWriter {
    fileprivate mutating func point(_ point: ClusterClient.Point) {
        beginObject()
        key("id")
        switch point.id {
        case .number(let number): integer(number)
        case .text(let text): string(text)
        }
        key("vector")
        floats(point.vector)
        if !point.payload.isEmpty {
            key("payload")
            object(point.payload)
        }
        endObject()
    }

    fileprivate mutating func search(_ search: ClusterClient.Search) {
        beginObject()
        key("vector")
        floats(search.vector)
        field("limit", search.limit)
        field("offset", search.offset)
        if let filter = search.filter { field("filter", filter) }
        if let threshold = search.scoreThreshold { field("score_threshold", threshold) }
        field("with_payload", search.withPayload)
        field("with_vector", search.withVector)
        if let ef = search.ef { field("ef", ef) }
        field("exact", search.exact)
        field("consistency", search.consistency.rawValue)
        endObject()
    }
}

extension JSONDocument.Node {
    fileprivate var pointID: ClusterClient.ID? {
        uint64.map { .number($0) } ?? string.map { .text($0) }
    }

    /// A vector that has a name is not shown.
    fileprivate var vector: [Float] { (try? field("vector")?.floats(name: "vector")) ?? [] }

    fileprivate var payload: JSONObject { field("payload").flatMap { JSONValue($0).objectValue } ?? [:] }

    fileprivate var matches: [ClusterClient.Match] {
        elements.compactMap { node in
            guard let id = node.field("id")?.pointID, let score = node.field("score")?.double else { return nil }
            return ClusterClient.Match(id: id, score: Float(score), payload: node.payload, vector: node.vector)
        }
    }
}

extension ClusterClient.Point {
    fileprivate init(_ node: JSONDocument.Node) throws(GrapeError) {
        guard let id = node.field("id")?.pointID else {
            throw GrapeError(.internalError, "the answer has no field \"id\" of the kind expected")
        }
        self.init(id: id, vector: node.vector, payload: node.payload)
    }
}
