import GrapeEngine
import GrapeModel

/// What became of a request's parts, shard by shard, and what the caller hears of the whole: success where all are in,
/// the reason where none is nor will be, else `outcomeUnknown` with the points counted.
package struct WriteTally {
    private enum Part {
        case open
        case written(ApplyOutcome)
        case refused(GrapeError)
        case unknown
    }

    private var parts: [ShardID: Part]
    private let points: [ShardID: Int]
    /// The newest fence that refused a part.
    package private(set) var fence = CatalogVersion(0)

    /// - Parameter points: How many each shard is to take.
    package init(_ points: [ShardID: Int]) {
        self.points = points
        parts = points.mapValues { _ in .open }
    }

    /// Shards that are to be tried (again), in their order.
    package var open: [ShardID] {
        parts.compactMap { if case .open = $0.value { $0.key } else { nil } }.sorted()
    }

    package mutating func take(_ fate: WriteFate, _ shard: ShardID) {
        switch fate {
        case .applied(.staleCatalog(let version)): fence = max(fence, version)
        // The shard was made anew by a recovery: the entry is made again under the new epoch.
        case .applied(.staleEpoch): break
        case .applied(.forgotten), .applied(.pending), .applied(.nothing), .applied(.fenced), .applied(.catalog),
            .applied(.checked):
            parts[shard] = .unknown
        case .applied(.keyReused):
            parts[shard] = .refused(
                GrapeError(.conflict, "the Idempotency-Key was used before for another write"))
        case .applied(let outcome): parts[shard] = .written(outcome)
        case .refused(let error): parts[shard] = .refused(error)
        case .unknown: parts[shard] = .unknown
        }
    }

    package mutating func refuseOpen(_ error: GrapeError) {
        for shard in open { parts[shard] = .refused(error) }
    }

    /// The outcomes, or the error that says how far the write came.
    package func outcomes() throws(GrapeError) -> [ShardID: ApplyOutcome] {
        var outcomes: [ShardID: ApplyOutcome] = [:]
        var refusals: [(shard: ShardID, error: GrapeError)] = []
        var (written, notWritten, unknown) = (0, 0, 0)
        for (shard, part) in parts {
            let count = points[shard] ?? 0
            switch part {
            case .written(let outcome):
                outcomes[shard] = outcome
                written += count
            case .refused(let error):
                refusals.append((shard, error))
                notWritten += count
            case .open, .unknown: unknown += count
            }
        }
        if notWritten == 0, unknown == 0 { return outcomes }
        let first = refusals.min { $0.shard < $1.shard }?.error
        if written == 0, unknown == 0, let first { throw first }
        throw GrapeError(
            .outcomeUnknown,
            "of \(written + notWritten + unknown) points \(written) were written, \(notWritten) were not, \(unknown) may have been"
                + (first.map { ": \($0.message)" } ?? ": no answer came in time"),
            writeOutcome: WriteOutcome(written: written, notWritten: notWritten, unknown: unknown))
    }
}
