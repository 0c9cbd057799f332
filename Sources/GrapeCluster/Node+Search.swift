import GrapeEngine
import GrapeModel

extension Node {
    /// The points nearest to the request's vector, best first.
    package func search(_ request: SearchRequest, in name: String) async throws(GrapeError) -> [ScoredPoint] {
        try refuseIfDown()
        let (collection, _) = try engine.resolve(name)
        let checked = try self.checked(request, collection)
        return try await pool.run { () throws(GrapeError) in try self.engine.search(checked, in: collection) }
    }

    /// Several searches, each answered as `search` would. All are checked before any is run.
    package func search(
        _ requests: [SearchRequest], in name: String
    ) async throws(GrapeError) -> [[ScoredPoint]] {
        try refuseIfDown()
        try options.limits.check(requests.count, "number of searches", in: 1...Limits.searchBatchMax)
        let (collection, _) = try engine.resolve(name)
        var answers: [[ScoredPoint]] = []
        var checked: [SearchRequest] = []
        for request in requests { checked.append(try self.checked(request, collection)) }
        for request in checked {
            answers.append(
                try await pool.run { () throws(GrapeError) in try self.engine.search(request, in: collection) })
        }
        return answers
    }

    private func checked(_ request: SearchRequest, _ collection: Collection) throws(GrapeError) -> SearchRequest {
        try options.limits.check(request)
        let schema = collection.schema
        guard let position = schema.vectorIndex(named: request.using) else {
            throw GrapeError(
                .invalidRequest, "collection \(schema.name) has no vector named \"\(request.using)\"")
        }
        try schema.vectors[position].check(request.vector, collection: schema.name)
        var request = request
        request.ef = request.ef ?? options.efSearch
        return request
    }
}
