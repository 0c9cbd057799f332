// HOT PATH
import GrapeCluster
import GrapeModel

extension RESTService {
    func search(
        in collection: String, _ call: RESTCall, _ body: [UInt8]
    ) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        let request = try RequestBody.search(body, limits: options.limits)
        let nothing = ReadAnswer<[ScoredPoint]>(value: [], stalenessMilliseconds: 0)
        let found = try await Self.unlessUnmade(collection, nothing) { () async throws(GrapeError) in
            try await call.node.search(request, in: collection)
        }
        metrics.countSearches(1)
        let results = found.value
        var answer = HTTPAnswer(capacity: Self.capacity(results)) { json in
            json.beginObject()
            json.key("results")
            json.write(results)
            json.field("took_ms", Self.milliseconds(since: start))
            json.endObject()
        }
        if request.consistency == .eventual { answer.headers.append(Self.staleness(found.stalenessMilliseconds)) }
        return answer
    }

    func searchBatch(
        in collection: String, _ call: RESTCall, _ body: [UInt8]
    ) async throws(GrapeError) -> HTTPAnswer {
        let start = ContinuousClock.now
        let requests = try RequestBody.searches(body, limits: options.limits)
        let nothing = ReadAnswer(
            value: [[ScoredPoint]](repeating: [], count: requests.count), stalenessMilliseconds: 0)
        let found = try await Self.unlessUnmade(collection, nothing) { () async throws(GrapeError) in
            try await call.node.search(requests, in: collection)
        }
        metrics.countSearches(requests.count)
        let answers = found.value
        var answer = HTTPAnswer(capacity: answers.reduce(64) { $0 + Self.capacity($1) }) { json in
            json.beginObject()
            json.key("results")
            json.beginArray()
            for results in answers { json.write(results) }
            json.endArray()
            json.field("took_ms", Self.milliseconds(since: start))
            json.endObject()
        }
        if requests.contains(where: { $0.consistency == .eventual }) {
            answer.headers.append(Self.staleness(found.stalenessMilliseconds))
        }
        return answer
    }

    /// Bytes that results will take, roughly, so that the writer grows seldom.
    private static func capacity(_ results: [ScoredPoint]) -> Int {
        results.reduce(64) { sum, result in
            sum + 80 + (result.payload?.json.count ?? 0) + result.vectors.reduce(0) { $0 + 12 * $1.values.count }
        }
    }

    /// To the microsecond.
    private static func milliseconds(since start: ContinuousClock.Instant) -> Double {
        Double((ContinuousClock.now - start) / .microseconds(1)).rounded() / 1_000
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ results: [ScoredPoint]) {
        beginArray()
        for result in results {
            beginObject()
            key("id")
            id(result.id)
            key("score")
            float(result.score)
            if let payload = result.payload {
                key("payload")
                raw(payload.json)
            }
            write(result.vectors)
            endObject()
        }
        endArray()
    }
}
