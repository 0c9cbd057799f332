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
        let answer = try await search([request], in: name)
        return ReadAnswer(value: answer.value[0], stalenessMilliseconds: answer.stalenessMilliseconds)
    }

    /// Several searches, each answered as `search` would. All are checked before any is run.
    package func search(
        _ requests: [SearchRequest], in name: String
    ) async throws(GrapeError) -> ReadAnswer<[[ScoredPoint]]> {
        try options.limits.check(requests.count, "number of searches", in: 1...Limits.searchBatchMax)
        let consistency = requests.contains { $0.consistency == .strong } ? Consistency.strong : .eventual
        try refuse(consistency)
        let deadline = self.deadline
        return try await whilePlacementChanges(consistency, deadline) { () throws(GrapeError) in
            // One barrier for all shards that are searched here.
            let own = cluster.current.own
            let isConfirmed = consistency == .eventual || consensus.isAlone
            let groups = isConfirmed ? [] : [.catalog] + own.sorted.map(LogGroup.shard)
            let collection = try await readable(name, groups: groups, deadline: deadline)
            var checked: [SearchRequest] = []
            for request in requests { checked.append(try self.checked(request, collection)) }
            var answers: [[ScoredPoint]] = []
            var staleness = 0
            for request in checked {
                let answer = try await search(request, collection, own, deadline: deadline)
                answers.append(answer.value)
                staleness = max(staleness, answer.stalenessMilliseconds)
            }
            return ReadAnswer(value: answers, stalenessMilliseconds: staleness)
        }
    }

    /// The barrier of `own` is behind us: this node alone where these are all shards, else with others.
    private func search(
        _ request: SearchRequest, _ collection: Collection, _ own: ShardSet, deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> ReadAnswer<[ScoredPoint]> {
        guard own.count == engine.shardCount else {
            return try await router.search(request, collection, fresh: own, pool: pool, deadline: deadline)
        }
        let found = try await pool.run { () throws(GrapeError) in
            try self.engine.search(request, in: collection, shards: own)
        }
        return ReadAnswer(value: found, stalenessMilliseconds: staleness(request.consistency))
    }

    /// Carries out a read. A shard that leaves this node meanwhile is refused; then others have it. So it is soon after
    /// damage was met, where others have the shard without.
    func whilePlacementChanges<Result>(
        _ consistency: Consistency, _ deadline: ContinuousClock.Instant, _ body: () async throws(GrapeError) -> Result
    ) async throws(GrapeError) -> Result {
        var damagedSince: ContinuousClock.Instant?
        while true {
            do throws(GrapeError) {
                return try await consistency == .strong ? consensus.reading(body) : body()
            } catch {
                let next = ContinuousClock.now + Self.placementPause
                guard mayPass(error, &damagedSince), next < deadline, !Task.isCancelled else { throw error }
                try? await Task.sleep(until: next, clock: .continuous)
                try refuseIfIsolated()
            }
        }
    }

    private func mayPass(_ error: GrapeError, _ damagedSince: inout ContinuousClock.Instant?) -> Bool {
        guard error.code == .damaged, engine.catalog.layout.members.count > 1 else { return error.code == .unavailable }
        let since = damagedSince ?? .now
        damagedSince = since
        return ContinuousClock.now < since + Self.damagePatience
    }

    /// About as long as it takes until `ClusterState` is put together anew.
    private static let placementPause = Duration.milliseconds(50)
    /// Until the others must have been heard of: a node that has just started knows of none that could answer.
    private static let damagePatience = Duration.seconds(3)

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
