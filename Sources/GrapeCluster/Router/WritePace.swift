import GrapeEngine
import GrapeModel
import Synchronization

/// Makes writes wait where the indexes do not keep up (DESIGN D5): a search compares every point that waits for the graph,
/// so there must not be many. Apply never waits; the leader does, before it proposes.
///
/// What counts is the worst replica of the best majority: one slow node slows nobody.
///
/// Thread safety: `nextTurn` is guarded by its mutex.
package final class WritePace: Sendable {
    /// Points that may wait for the graph; 0: any number.
    let limit: Int
    private let nextTurn = Mutex(ContinuousClock.now)

    /// What is let in shows as waiting only when it is applied: so large writes come in one after another.
    private static let spacing = Duration.milliseconds(5)
    /// A write of so many bytes is some user's and not a bulk load: it goes ahead of those.
    private static let smallBytes = 64 << 10

    package init(limit: Int) { self.limit = limit }

    /// Returns when a write of so many bytes may be proposed.
    ///
    /// - Parameter waiting: How many points wait for the graph now.
    /// - Throws: `.overloaded` where its deadline comes before.
    package func admit(
        bytes: Int, deadline: ContinuousClock.Instant, waiting: () -> Int
    ) async throws(GrapeError) {
        guard limit > 0 else { return }
        let isSmall = bytes <= Self.smallBytes
        while true {
            let count = waiting()
            if count <= limit / 2 || isSmall && count < limit + limit / 2 { return }
            if count < limit, isTurn() { return }
            guard ContinuousClock.now + Self.spacing < deadline, !Task.isCancelled else {
                throw GrapeError(
                    .overloaded, "\(count) points wait for the index already (index.backlog_limit is \(limit))",
                    retryAfterSeconds: 1)
            }
            try? await Task.sleep(for: .milliseconds(Int.random(in: 2...8)))
        }
    }

    private func isTurn() -> Bool {
        nextTurn.withLock { next in
            let now = ContinuousClock.now
            guard now >= next else { return false }
            next = now + Self.spacing
            return true
        }
    }
}

extension Router {
    /// Proposes to groups that this node leads, at the pace of the indexes.
    func proposeHere(_ proposals: [Proposal], deadline: ContinuousClock.Instant) async -> [ProposalResult] {
        do throws(GrapeError) {
            let shards = Set(proposals.compactMap { if case .shard(let shard) = $0.group { shard } else { nil } })
            let bytes = proposals.reduce(0) { $0 + $1.entry.count }
            if !shards.isEmpty {
                try await pace.admit(bytes: bytes, deadline: deadline) {
                    cluster.backlog(of: shards, own: engine.indexBacklog)
                }
            }
        } catch {
            return proposals.map { _ in .refused(error) }
        }
        return await consensus.propose(proposals, deadline: deadline)
    }
}
