import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Rows and indexes of one node: applies committed entries, answers reads and searches.
///
/// Thread safety:
/// 1. Groups are spread over lanes. Whoever changes rows or the state of a group holds its lane, so apply is serial in a
///    shard and parallel across lanes. Whoever changes the catalog holds all lanes. Lanes are taken in their order.
/// 2. Everything else reads `serving`, a value that apply changes after its batch is in the store.
/// 3. Searches see what `clock` has published: rows are written before, so a search that sees a point finds its row,
///    or a newer one (`RowFetch` compares versions).
package final class Engine: Sendable {
    package let database: Database
    package let shardCount: Int
    package let clock: VisibilityClock
    package let builder: IndexBuilder
    let logger: Logger
    private let applyLanes: [ApplyLane]
    let serving: Mutex<Serving>
    /// The newest generation of each shard that was ever used here.
    let newestGenerations: Mutex<[ShardID: ReplicaGeneration]>
    /// What replicas noted at the entries of consistency checks.
    package let marks = ConsistencyMarks()
    package let faults: ReplicaFaults
    let setAside: Mutex<[ShardID: Quarantine]>
    let scansEnd = Atomic<Bool>(false)
    package let scrubber: Scrubber
    /// Why an index lacks what the rows have: nothing is applied any more, a restart joins them again.
    private let failure = Mutex<ApplyError?>(nil)

    init(
        database: Database, shardCount: Int, lanes: Int, clock: VisibilityClock, serving: Serving,
        newestGenerations: [ShardID: ReplicaGeneration], setAside: [ShardID: Quarantine], faults: ReplicaFaults,
        builder: IndexBuilder, scrub: ScrubOptions, logger: Logger
    ) {
        self.database = database
        self.shardCount = shardCount
        self.clock = clock
        self.builder = builder
        self.logger = logger
        applyLanes = (0..<max(1, lanes)).map { _ in ApplyLane() }
        self.serving = Mutex(serving)
        self.newestGenerations = Mutex(newestGenerations)
        self.setAside = Mutex(setAside)
        self.faults = faults
        scrubber = Scrubber(scrub)
    }

    // MARK: Lanes

    /// Groups of different lanes may be applied at the same time.
    package var lanes: Int { applyLanes.count }

    /// The lane of a group. The catalog's entries exclude all others, whatever lane they come by.
    package func lane(of group: LogGroup) -> Int {
        switch group {
        case .shard(let shard): Int(shard.rawValue) % applyLanes.count
        case .catalog: 0
        }
    }

    /// Runs a body between two turns of these groups. Not to be nested, and no place to call `apply`, `hold` or `release`.
    package func exclusively<Result: Sendable, Failure: Error>(
        _ groups: some Sequence<LogGroup>, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try holding(lanes(of: groups)[...], body)
    }

    private func lanes(of groups: some Sequence<LogGroup>) -> [Int] {
        var needed: Set<Int> = []
        for group in groups {
            if group == .catalog { return Array(applyLanes.indices) }
            needed.insert(lane(of: group))
        }
        return needed.sorted()
    }

    private func holding<Result: Sendable, Failure: Error>(
        _ lanes: ArraySlice<Int>, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let first = lanes.first else { return try body() }
        return try applyLanes[first].turn.withLock { (_) throws(Failure) in
            try holding(lanes.dropFirst(), body)
        }
    }

    // MARK: Apply

    /// Applies entries in the order given: one batch for the store, then one publish for all indexes. Calls with entries
    /// of different lanes may run at the same time. A consistency check must be the last of them (`turns`).
    package func apply(_ entries: [CommittedEntry]) throws(ApplyError) -> [ApplyOutcome] {
        guard !entries.isEmpty else { return [] }
        let lanes = lanes(of: entries.lazy.map(\.group))
        return try holding(lanes[...]) { () throws(ApplyError) in
            if let failure = failure.withLock({ $0 }) { throw failure }
            var turn = try beginTurn(lanes)
            var outcomes: [ApplyOutcome] = []
            outcomes.reserveCapacity(entries.count)
            for entry in entries { outcomes.append(try turn.apply(entry)) }
            try turn.finish()
            for prefix in turn.emptied { dropFiles(of: prefix) }
            do throws(ApplyError) {
                try publish(turn)
            } catch {
                // The rows are in, the index lacks them: nothing may come on top.
                failure.withLock { $0 = error }
                throw error
            }
            keepOrigins(turn.origins)
            markIfChecked(entries[entries.count - 1], outcomes[outcomes.count - 1])
            return outcomes
        }
    }

    /// Tables of origins move into the turn. One that fails loses them, and the next reads them from their rows.
    private func beginTurn(_ lanes: [Int]) throws(ApplyError) -> ApplyTurn {
        var origins: [ShardID: OriginTable] = [:]
        for lane in lanes {
            let known = applyLanes[lane].origins.withLock { known in
                defer { known = [:] }
                return known
            }
            if origins.isEmpty { origins = known } else { origins.merge(known) { $1 } }
        }
        let (groups, catalog) = serving.withLock { ($0.groups, $0.catalog) }
        do throws(StorageError) {
            return try ApplyTurn(database: database, groups: groups, catalog: catalog, origins: origins)
        } catch {
            throw .storage(error)
        }
    }

    private func keepOrigins(_ origins: [ShardID: OriginTable]) {
        for (shard, table) in origins {
            applyLanes[lane(of: .shard(shard))].origins.withLock { $0[shard] = table }
        }
    }

    /// The rows of origins are others now: the next turn reads them anew. The caller holds the lane.
    func forgetOrigins(_ shard: ShardID) {
        applyLanes[lane(of: .shard(shard))].origins.withLock { $0[shard] = nil }
    }

    /// Gives the disk space of deleted rows back without waiting for a compaction; they are gone already.
    private func dropFiles(of prefix: RowKeyPrefix) {
        for family in [ColumnFamily.vectors, .payloads] {
            try? database.dropRange(family, from: prefix.lowerBound, to: prefix.upperBound)
        }
    }

    /// Makes what a turn has written what reads and searches go by.
    private func publish(_ turn: borrowing ApplyTurn) throws(ApplyError) {
        let (groups, changed) = (turn.groups, turn.changed)
        serving.withLock { serving in
            for group in changed { serving.groups[group] = groups[group] }
        }
        let loaded = changed.contains(.catalog) ? try serve(turn.catalog) : []
        let changes = turn.indexChanges.filter { !loaded.contains($0.collection) }
        guard !changes.isEmpty else { return }
        let collections = serving.withLock { $0.collections }
        do {
            try IndexChange.publish(changes, collections: collections, clock: clock)
        } catch {
            throw .index(error)
        }
        builder.wake()
    }
}

/// What apply keeps of some groups between their turns.
final class ApplyLane: Sendable {
    /// Held during a turn.
    let turn = Mutex<Void>(())
    let origins = Mutex<[ShardID: OriginTable]>([:])
}

extension ApplyTurn {
    fileprivate mutating func finish() throws(ApplyError) {
        do {
            try write()
        } catch {
            throw .storage(error)
        }
    }
}
