import GrapeEngine
import GrapeModel

extension Router {
    /// Points of a collection in a shard and the sum of their content hashes, read from the rows of a replica that has all
    /// that was committed before the call.
    package func contentDigest(
        _ shard: ShardID, _ collection: CollectionID, pool: SearchPool, deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> RowDigest {
        if cluster.answers(for: shard) {
            try await consensus.barrier([.shard(shard)], deadline: deadline)
            return try await pool.run { () throws(GrapeError) in try self.engine.contentDigest(shard, collection) }
        }
        var last = GrapeError(
            .unavailable, "shard \(shard) has no replica that this node can reach", retryAfterSeconds: 1)
        for node in cluster.holders(excluding: [cluster.node])[shard] ?? [] {
            switch try? await ask(.content(collection, shard), node, lane: .quick, deadline) {
            case .content(let digest): return digest
            case .failed(let error): last = error
            default: continue
            }
        }
        throw last
    }
}
