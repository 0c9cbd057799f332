import GrapeEngine
import GrapeModel
import GrapeRaft

/// Answers what other nodes' routers ask: the other side of `Router`.
package struct PeerService: Sendable {
    let router: Router
    let pool: SearchPool
    /// What a request may ask for: the other node has looked too, but the index trusts the numbers it is given.
    let limits: GrapeModel.Limits

    package init(router: Router, pool: SearchPool, limits: GrapeModel.Limits) {
        self.router = router
        self.pool = pool
        self.limits = limits
    }

    package func answer(_ body: [UInt8]) async -> PeerAnswer {
        guard let (request, timeout) = PeerRequest.decode(body) else { return .unreadable }
        let deadline = ContinuousClock.now + .milliseconds(Int(timeout))
        do throws(GrapeError) {
            return try await answer(request, deadline)
        } catch {
            return .failed(error)
        }
    }

    private func answer(
        _ request: PeerRequest, _ deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> PeerAnswer {
        switch request {
        case .propose(let proposals):
            guard proposals.allSatisfy(\.isKnown) else {
                let error = GrapeError(
                    .invalidRequest, "an entry of a form that this node's version does not know is not taken")
                return .proposed(proposals.map { _ in .refused(error) })
            }
            return .proposed(await router.proposeHere(proposals, deadline: deadline))
        case .point(let collection, let id, let consistency):
            let shard = router.engine.shard(of: id, in: collection)
            let known = try await readable(collection, [shard], consistency, deadline)
            let point = try await pool.run { () throws(GrapeError) in try router.engine.point(id, in: known) }
            return .point(point, stalenessMilliseconds: staleness(consistency))
        case .search(let collection, let shards, let request):
            let known = try await readable(collection, shards.sorted, request.consistency, deadline)
            try check(request, known)
            let points = try await pool.run { () throws(GrapeError) in
                try router.engine.search(request, in: known, shards: shards)
            }
            return .found(points, stalenessMilliseconds: staleness(request.consistency))
        case .count(let collection, let shards):
            return .count(try router.engine.pointCount(collection, shards: shards))
        case .content(let collection, let shard):
            try await router.consensus.barrier([.shard(shard)], deadline: deadline)
            return .content(
                try await pool.run { () throws(GrapeError) in try router.engine.contentDigest(shard, collection) })
        case .changeConfiguration(let group, let bytes):
            guard let change = try? ConfChange(decoding: Entry(kind: .confChangeV2, data: bytes)) else {
                throw GrapeError(.invalidRequest, "a change of configuration that this build does not know")
            }
            return .proposed([await router.consensus.changeConfiguration(group, change, deadline: deadline)])
        case .transferLeadership(let group, let replica):
            router.consensus.transferLeadership(of: group, to: ReplicaID(replica))
            return .proposed([])
        case .announceCheck(let id, let isDeep, let shards):
            try router.replicaChecks.announce(id, isDeep: isDeep, shards, until: deadline)
            return .accepted
        case .checkResults(let id, let shards): return .checks(router.replicaChecks.standings(id, shards))
        case .distrust(let replicas, let reason):
            return .distrusted(router.replicaChecks.distrust(replicas, reason: reason))
        }
    }

    /// The collection, where this node answers for all of the shards; for strong reads behind their newest writes.
    private func readable(
        _ collection: CollectionID, _ shards: [ShardID], _ consistency: Consistency, _ deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> Collection {
        guard shards.allSatisfy({ router.cluster.answers(for: $0) }) else {
            throw GrapeError(.unavailable, "this node does not hold all of the shards asked for", retryAfterSeconds: 1)
        }
        if consistency == .strong {
            try await router.consensus.barrier([.catalog] + shards.map(LogGroup.shard), deadline: deadline)
        }
        guard let known = router.engine.collection(collection) else {
            throw GrapeError(.collectionNotFound, "there is no collection with id \(collection)")
        }
        return known
    }

    private func check(_ request: SearchRequest, _ collection: Collection) throws(GrapeError) {
        try limits.check(request)
        let schema = collection.schema
        guard let position = schema.vectorIndex(named: request.using) else {
            throw GrapeError(.invalidRequest, "collection \(schema.name) has no vector named \"\(request.using)\"")
        }
        try schema.vectors[position].check(request.vector, collection: schema.name)
    }

    private func staleness(_ consistency: Consistency) -> Int {
        consistency == .strong ? 0 : router.consensus.stalenessMilliseconds
    }
}
