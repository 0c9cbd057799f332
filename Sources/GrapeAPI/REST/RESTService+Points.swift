import GrapeCluster
import GrapeModel

extension RESTService {
    func upsert(
        into collection: String, _ call: RESTCall, _ body: [UInt8], _ progress: CallProgress
    ) async throws(GrapeError) -> HTTPAnswer {
        let point = try RequestBody.point(body, limits: options.limits)
        progress.submit(points: 1)
        let result = try await call.node.upsert([point], into: collection, idempotencyKey: call.idempotencyKey)
        return HTTPAnswer { json in
            json.beginObject()
            json.key("id")
            json.id(point.id)
            json.field("status", "ok")
            if let shard = result.shards.first { json.field("shard", shard.rawValue) }
            json.endObject()
        }
    }

    func upsertBatch(
        into collection: String, _ call: RESTCall, _ body: [UInt8], _ progress: CallProgress
    ) async throws(GrapeError) -> HTTPAnswer {
        let points = try RequestBody.batch(body, limits: options.limits)
        progress.submit(points: points.count)
        let result = try await call.node.upsert(points, into: collection, idempotencyKey: call.idempotencyKey)
        return HTTPAnswer { json in
            json.beginObject()
            json.field("upserted", result.count)
            json.endObject()
        }
    }

    func point(_ id: String, in collection: String, _ call: RESTCall) async throws(GrapeError) -> HTTPAnswer {
        let consistency = try Self.consistency(call.query)
        let written = try WrittenID(text: id)
        let nothing = ReadAnswer<Point?>(value: nil, stalenessMilliseconds: 0)
        let found = try await Self.unlessUnmade(collection, nothing) { () async throws(GrapeError) in
            try await call.node.point(written.id, in: collection, consistency: consistency)
        }
        var answer =
            found.value.map(Self.answer)
            ?? HTTPAnswer(GrapeError(.notFound, "collection \(collection) has no point \(id.prefix(64))"))
        if consistency == .eventual { answer.headers.append(Self.staleness(found.stalenessMilliseconds)) }
        return answer
    }

    private static func answer(_ point: Point) -> HTTPAnswer {
        HTTPAnswer(capacity: 128 + point.payload.json.count) { json in
            json.beginObject()
            json.key("id")
            json.id(point.id)
            json.write(point.vectors)
            json.key("payload")
            json.raw(point.payload.json)
            json.endObject()
        }
    }

    func delete(
        _ id: String, from collection: String, _ call: RESTCall, _ progress: CallProgress
    ) async throws(GrapeError) -> HTTPAnswer {
        let written = try WrittenID(text: id)
        progress.submit(points: 1)
        let deleted = try await Self.unlessUnmade(collection, [false]) { () async throws(GrapeError) in
            try await call.node.delete([written.id], from: collection, idempotencyKey: call.idempotencyKey)
        }
        return HTTPAnswer { json in
            json.beginObject()
            json.key("id")
            json.id(written)
            json.field("deleted", deleted.first ?? false)
            json.endObject()
        }
    }

    /// The unnamed collection is there for users, and empty, before its first write has made it.
    static func unlessUnmade<Found: Sendable>(
        _ collection: String, _ nothing: Found, _ call: () async throws(GrapeError) -> Found
    ) async throws(GrapeError) -> Found {
        do {
            return try await call()
        } catch {
            guard error.code == .collectionNotFound, collection == Resource.unnamedCollection else { throw error }
            return nothing
        }
    }

    static func staleness(_ milliseconds: Int) -> (name: String, value: String) {
        ("Grape-Staleness-Ms", String(milliseconds))
    }

    private static func consistency(_ query: [(name: String, value: String)]) throws(GrapeError) -> Consistency {
        guard let text = query.last(where: { $0.name == "consistency" })?.value else { return .strong }
        guard let consistency = Consistency(rawValue: text) else {
            throw GrapeError(
                .invalidRequest,
                "query parameter consistency: expected \"strong\" or \"eventual\", found \"\(text.prefix(64))\"")
        }
        return consistency
    }
}

extension JSONWriter {
    /// The unnamed vector as an array, named ones as an object of arrays; nothing where there is none.
    mutating func write(_ vectors: [NamedVector]) {
        guard let first = vectors.first else { return }
        key("vector")
        if vectors.count == 1, first.name.isEmpty {
            floats(first.values)
            return
        }
        beginObject()
        for vector in vectors {
            key(vector.name)
            floats(vector.values)
        }
        endObject()
    }
}
