import GrapeEngine
import GrapeModel

extension Router {
    // MARK: Searches

    /// A search over shards that this node doesn't hold all of: the fewest nodes that do together answer, each for its
    /// shards.
    /// - Parameter fresh: What this node may answer for: a strong search's barrier is behind these.
    package func search(
        _ request: SearchRequest, _ collection: Collection, fresh: ShardSet, pool: SearchPool,
        deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> ReadAnswer<[ScoredPoint]> {
        var part = request
        part.limit = request.limit + request.offset
        part.offset = 0
        var excluded: Set<NodeNumber> = []
        var damage: GrapeError?
        for round in 0..<Self.coversMax {
            var holders = cluster.holders(excluding: excluded)
            for shard in holders.keys where !fresh.contains(shard) { holders[shard]?.removeAll { $0 == cluster.node } }
            guard let cover = SearchCover.find(holders, first: cluster.node) else { break }
            let answers = await ask(cover, part, collection, pool: pool, deadline: deadline)
            var points: [ScoredPoint] = []
            var staleness = 0
            var failed = false
            for (node, answer) in answers {
                switch answer {
                case .success(let found):
                    points += found.value
                    staleness = max(staleness, found.stalenessMilliseconds)
                case .failure(let error):
                    guard error.mayWorkElsewhere else { throw error.error }
                    if error.error.code == .damaged { damage = error.error }
                    excluded.insert(node)
                    failed = true
                }
            }
            if !failed {
                let metric = collection.schema.vectors[collection.schema.vectorIndex(named: request.using) ?? 0].metric
                points.sort { metric.isBetter($0.score, than: $1.score) }
                let page = points.prefix(request.limit + request.offset).dropFirst(request.offset)
                return ReadAnswer(value: Array(page), stalenessMilliseconds: staleness)
            }
            await pause(round, deadline)
            if ContinuousClock.now >= deadline { break }
        }
        throw damage
            ?? GrapeError(.unavailable, "some shards have no replica that this node can reach", retryAfterSeconds: 1)
    }

    private static var coversMax: Int { 5 }

    private struct PartFailure: Error {
        let error: GrapeError
        let mayWorkElsewhere: Bool
    }

    private typealias PartAnswer = Result<ReadAnswer<[ScoredPoint]>, PartFailure>

    private func ask(
        _ cover: [NodeNumber: ShardSet], _ request: SearchRequest, _ collection: Collection, pool: SearchPool,
        deadline: ContinuousClock.Instant
    ) async -> [(NodeNumber, PartAnswer)] {
        await withTaskGroup(of: (NodeNumber, PartAnswer).self) { group in
            for (node, shards) in cover {
                group.addTask {
                    guard node != self.cluster.node else {
                        return (node, await self.searchHere(request, collection, shards, pool: pool))
                    }
                    return (node, await self.searchThere(request, collection, shards, node, deadline))
                }
            }
            var answers: [(NodeNumber, PartAnswer)] = []
            for await answer in group { answers.append(answer) }
            return answers
        }
    }

    private func searchHere(
        _ request: SearchRequest, _ collection: Collection, _ shards: ShardSet, pool: SearchPool
    ) async -> PartAnswer {
        do throws(GrapeError) {
            let found = try await pool.run { () throws(GrapeError) in
                try self.engine.search(request, in: collection, shards: shards)
            }
            let staleness = request.consistency == .strong ? 0 : consensus.stalenessMilliseconds
            return .success(ReadAnswer(value: found, stalenessMilliseconds: staleness))
        } catch {
            // Its rows may have gone since the cover was made.
            return .failure(PartFailure(error: error, mayWorkElsewhere: error.isOfThisNode))
        }
    }

    private func searchThere(
        _ request: SearchRequest, _ collection: Collection, _ shards: ShardSet, _ node: NodeNumber,
        _ deadline: ContinuousClock.Instant
    ) async -> PartAnswer {
        do throws(PeerFailure) {
            switch try await ask(.search(collection.schema.id, shards, request), node, lane: .quick, deadline) {
            case .found(let points, let staleness):
                return .success(ReadAnswer(value: points, stalenessMilliseconds: staleness))
            case .failed(let error):
                // This node knows the collection: one that does not is behind with the catalog.
                let mayWork = error.isOfThisNode || error.code == .collectionNotFound
                return .failure(PartFailure(error: error, mayWorkElsewhere: mayWork))
            default: throw PeerFailure(mayHaveArrived: true, message: "node \(node) gave another answer than asked for")
            }
        } catch {
            return .failure(
                PartFailure(
                    error: GrapeError(.unavailable, error.message, retryAfterSeconds: 1), mayWorkElsewhere: true))
        }
    }

    // MARK: Points

    /// A point of a shard that this node doesn't hold, from one that does.
    package func point(
        _ id: PointID, _ collection: CollectionID, _ shard: ShardID, _ consistency: Consistency,
        deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> ReadAnswer<Point?> {
        var round = 0
        while true {
            var damage: GrapeError?
            for node in cluster.holders(excluding: [cluster.node])[shard] ?? [] {
                switch try? await ask(.point(collection, id, consistency), node, lane: .quick, deadline) {
                case .point(let point, let staleness):
                    return ReadAnswer(value: point, stalenessMilliseconds: staleness)
                case .failed(let error) where !error.isOfThisNode && error.code != .collectionNotFound:
                    throw error
                case .failed(let error) where error.code == .damaged: damage = error
                default: continue
                }
            }
            if let damage { throw damage }
            guard ContinuousClock.now < deadline else { break }
            await pause(round, deadline)
            round += 1
        }
        throw GrapeError(.unavailable, "shard \(shard) has no replica that this node can reach", retryAfterSeconds: 1)
    }
}

extension GrapeError {
    /// Another node with the same replicas may have an answer.
    fileprivate var isOfThisNode: Bool { code == .unavailable || code == .damaged }
}
