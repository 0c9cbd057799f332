import GrapeEngine
import GrapeModel

/// What a read found, and how old it may be.
package struct ReadAnswer<Value: Sendable>: Sendable {
    package let value: Value
    /// At most so long ago this was the newest; 0 for strong reads.
    package let stalenessMilliseconds: Int

    package init(value: Value, stalenessMilliseconds: Int) {
        self.value = value
        self.stalenessMilliseconds = stalenessMilliseconds
    }
}

extension Node {
    /// The points nearest to the request's vector, best first.
    package func search(
        _ request: SearchRequest, in name: String
    ) async throws(GrapeError) -> ReadAnswer<[ScoredPoint]> {
        try refuse(request.consistency)
        let deadline = self.deadline
        let groups = request.consistency == .strong ? LogGroup.all(shardCount: engine.shardCount) : []
        let collection = try await readable(name, groups: groups, deadline: deadline)
        return try await search(checked(request, collection), collection, deadline: deadline)
    }

    /// Several searches, each answered as `search` would. All are checked before any is run.
    package func search(
        _ requests: [SearchRequest], in name: String
    ) async throws(GrapeError) -> ReadAnswer<[[ScoredPoint]]> {
        try options.limits.check(requests.count, "number of searches", in: 1...Limits.searchBatchMax)
        let isStrong = requests.contains { $0.consistency == .strong }
        try refuse(isStrong ? .strong : .eventual)
        let deadline = self.deadline
        let groups = isStrong ? LogGroup.all(shardCount: engine.shardCount) : []
        let collection = try await readable(name, groups: groups, deadline: deadline)
        var checked: [SearchRequest] = []
        for request in requests { checked.append(try self.checked(request, collection)) }
        var answers: [[ScoredPoint]] = []
        var staleness = 0
        for request in checked {
            let answer = try await search(request, collection, deadline: deadline)
            answers.append(answer.value)
            staleness = max(staleness, answer.stalenessMilliseconds)
        }
        return ReadAnswer(value: answers, stalenessMilliseconds: staleness)
    }

    /// The barrier is behind us: this node alone where it holds all shards, else with others.
    private func search(
        _ request: SearchRequest, _ collection: Collection, deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> ReadAnswer<[ScoredPoint]> {
        guard !cluster.answersForAllShards else {
            let found = try await pool.run { () throws(GrapeError) in try self.engine.search(request, in: collection) }
            return ReadAnswer(value: found, stalenessMilliseconds: staleness(request.consistency))
        }
        return try await router.search(request, collection, pool: pool, deadline: deadline)
    }

    func staleness(_ consistency: Consistency) -> Int {
        consistency == .strong ? 0 : consensus.stalenessMilliseconds
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
