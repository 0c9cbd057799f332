import Dispatch
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// What an apply work came to.
enum ApplyDone: Sendable {
    case applied(LogGroup, replica: ReplicaID, [CommittedEntry], [ApplyOutcome])
    case installed(LogGroup, replica: ReplicaID)
}

/// Applies what is committed in one of the engine's lanes, on `grape.apply`, in the order in which the store loop hands
/// it out: entries of several groups that wait together become one batch of the store and one publish of the indexes.
/// Lanes do not wait for each other (RAFT.md 23).
///
/// Thread safety: `state` is guarded by its mutex.
final class ApplyThread: Sendable {
    typealias Done = @Sendable (Result<[ApplyDone], GrapeError>) -> Void

    private struct State {
        var works: [ApplyWork] = []
        var done: Done?
        var isRunning = false
        var isClosing = false
        /// Replicas that damage keeps from being applied to: what else comes for them is passed over.
        var broken: [LogGroup: ReplicaID] = [:]
    }

    private let database: Database
    private let engine: Engine
    private let sparesDamaged: Bool
    private let logger: Logger
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "grape.apply", qos: .userInitiated)

    /// - Parameter sparesDamaged: damage ends the replica that it is in, not the node.
    init(database: Database, engine: Engine, sparesDamaged: Bool = false, logger: Logger) {
        self.database = database
        self.engine = engine
        self.sparesDamaged = sparesDamaged
        self.logger = logger
    }

    func add(_ work: ApplyWork, _ done: @escaping Done) {
        let starts = state.withLock { state in
            state.works.append(work)
            state.done = done
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if starts { queue.async { self.run() } }
    }

    /// Runs a body behind all work that was added before.
    func perform(_ body: @escaping @Sendable () throws(GrapeError) -> Void) async throws(GrapeError) {
        let result: Result<Void, GrapeError> = await withCheckedContinuation { done in
            queue.async { done.resume(returning: Result { () throws(GrapeError) in try body() }) }
        }
        try result.get()
    }

    /// The same for what must not be left half done: while the disk is full it is tried again.
    func performWaitingForSpace(
        _ body: @escaping @Sendable () throws(GrapeError) -> Void
    ) async throws(GrapeError) {
        try await perform { [self] () throws(GrapeError) in
            while true {
                do throws(GrapeError) {
                    return try body()
                } catch {
                    guard error.code == .diskFull, !state.withLock({ $0.isClosing }) else { throw error }
                }
                database.waitForSpace(logger)
            }
        }
    }

    func drain() async {
        state.withLock { $0.isClosing = true }
        await withCheckedContinuation { done in queue.async { done.resume() } }
    }

    private func run() {
        while true {
            let (works, done) = state.withLock { state in
                defer { state.works = [] }
                state.isRunning = !state.works.isEmpty
                return (state.works, state.done)
            }
            guard !works.isEmpty, let done else { return }
            for run in Self.runs(works) {
                do throws(GrapeError) {
                    done(.success(try carryOut(run)))
                } catch {
                    return done(.failure(error))
                }
            }
        }
    }

    /// Bytes of entries that one batch of the store takes, about.
    private static let batchBytesMax = 4 << 20

    /// Works that go together: entries up to a size, a switch alone.
    private static func runs(_ works: [ApplyWork]) -> [[ApplyWork]] {
        var runs: [[ApplyWork]] = []
        var bytes = 0
        for work in works {
            guard case .entries(_, _, let entries) = work else {
                runs.append([work])
                bytes = .max
                continue
            }
            let own = entries.reduce(0) { $0 + $1.byteCount }
            if runs.isEmpty || bytes > batchBytesMax {
                runs.append([])
                bytes = 0
            }
            runs[runs.count - 1].append(work)
            bytes += own
        }
        return runs
    }

    private func carryOut(_ works: [ApplyWork]) throws(GrapeError) -> [ApplyDone] {
        if case .install(let image, let replica, let hardState) = works[0] {
            try install(image, replica, hardState)
            state.withLock { $0.broken[image.group] = nil }
            return [.installed(image.group, replica: replica)]
        }
        let broken = state.withLock { $0.broken }
        var parts: [(group: LogGroup, replica: ReplicaID, entries: [CommittedEntry])] = []
        for case .entries(let group, let replica, let entries) in works where broken[group] != replica {
            parts.append((group, replica, entries))
        }
        guard !parts.isEmpty else { return [] }
        var outcomes: [ApplyOutcome?] = []
        for turn in Engine.turns(parts.flatMap(\.entries)) {
            outcomes += try applyTurn(turn) { group in
                guard let replica = parts.first(where: { $0.group == group })?.replica else { return }
                state.withLock { $0.broken[group] = replica }
            }
        }
        var rest = outcomes[...]
        return parts.compactMap { part in
            let own = rest.prefix(part.entries.count).compactMap { $0 }
            rest = rest.dropFirst(part.entries.count)
            guard own.count == part.entries.count else { return nil }
            return .applied(part.group, replica: part.replica, part.entries, own)
        }
    }

    /// Entries that can't be applied for damage keep no other group from going on. -> nil for those of a damaged group.
    private func applyTurn(
        _ turn: [CommittedEntry], giveUp: (LogGroup) -> Void
    ) throws(GrapeError) -> [ApplyOutcome?] {
        do throws(GrapeError) {
            return try applyWaitingForSpace(turn)
        } catch {
            guard isContained(error) else { throw error }
        }
        var outcomes: [LogGroup: ArraySlice<ApplyOutcome>] = [:]
        for group in Set(turn.map(\.group)) {
            do throws(GrapeError) {
                outcomes[group] = try applyWaitingForSpace(turn.filter { $0.group == group })[...]
            } catch {
                guard isContained(error) else { throw error }
                engine.noteFault(group, error.message)
                giveUp(group)
            }
        }
        return turn.map { outcomes[$0.group]?.popFirst() }
    }

    /// What the store read was damaged. (Where it can't write for damage, no group can go on.)
    private func isContained(_ error: GrapeError) -> Bool {
        sparesDamaged && error.code == .damaged && database.backgroundError == nil
    }

    /// The entries are durable, so a full disk can only delay them.
    private func applyWaitingForSpace(_ entries: [CommittedEntry]) throws(GrapeError) -> [ApplyOutcome] {
        while true {
            do {
                return try engine.apply(entries)
            } catch {
                guard case .storage(let storage) = error, storage.isWriteStop, !state.withLock({ $0.isClosing }) else {
                    throw GrapeError(error)
                }
                database.waitForSpace(logger)
            }
        }
    }

    private func writeWaitingForSpace(_ batch: borrowing WriteBatch) throws(StorageError) {
        while true {
            do {
                return try database.write(batch, sync: true)
            } catch {
                guard error.isWriteStop, !state.withLock({ $0.isClosing }) else { throw error }
            }
            database.waitForSpace(logger)
        }
    }

    /// One synced batch: the group's state with its new generation, the log's new beginning, the hard state.
    private func install(
        _ image: SnapshotImage, _ replica: ReplicaID, _ hardState: HardState
    ) throws(GrapeError) {
        do throws(StorageError) {
            var batch = try database.makeBatch()
            ReplicaRows.renew(image, hardState, into: &batch)
            try writeWaitingForSpace(batch)
        } catch {
            throw GrapeError(error)
        }
        try engine.adopt(image.group, image.state, catalog: image.catalog, inBackground: true)
    }
}

extension CommittedEntry {
    fileprivate var byteCount: Int {
        if case .command(let bytes) = content { bytes.count + 64 } else { 64 }
    }
}
