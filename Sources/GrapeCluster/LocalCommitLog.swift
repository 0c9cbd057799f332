import Dispatch
import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// The commit log of a node that is alone: entries are durable when its own disk has them.
///
/// A turn takes all calls that wait, appends their entries to the log as one batch, syncs once, and hands them to
/// apply; while that runs, the next turn syncs. So many waiting writers share one sync.
///
/// Thread safety:
/// 1. `state` is guarded by its mutex; callers only append to its inbox.
/// 2. `turns` (a serial queue) alone gives out indexes and writes the log: `positions` is touched there only.
/// 3. `applies` (a serial queue) alone calls `Engine.apply`, in the order of turns.
package final class LocalCommitLog: CommitLog {
    /// One call of `commit`.
    private struct Call {
        let proposals: [Proposal]
        let bytes: Int
        let answer: CheckedContinuation<Result<[ApplyOutcome], GrapeError>, Never>
    }

    private struct State {
        var inbox: [Call] = []
        /// Bytes of calls that are not answered yet.
        var waitingBytes = 0
        var isTurning = false
        /// Why nothing is taken any more.
        var refusal: GrapeError?
        var hasFailed = false
    }

    private struct Positions {
        var next: [LogGroup: LogIndex] = [:]
        /// Entries up to here are applied, and a sync has covered that since.
        var durable: [LogGroup: LogIndex] = [:]
        /// Entries up to here are dropped from the log.
        var dropped: [LogGroup: LogIndex] = [:]
    }

    /// Entries are dropped when so many of a group are not needed any more.
    private static let dropStep: UInt64 = 1_000

    private let database: Database
    private let engine: Engine
    private let store: LogStore
    private let logger: Logger
    private let failed: @Sendable (GrapeError) -> Void
    private let state = Mutex(State())
    private let positions = Mutex(Positions())
    private let turns = DispatchQueue(label: "grape.log")
    private let applies = DispatchQueue(label: "grape.apply")

    /// - Parameter failed: called once when the node can't go on: the disk refused what it must not, or an entry can't
    ///   be applied.
    package init(
        database: Database, engine: Engine, logger: Logger, failed: @escaping @Sendable (GrapeError) -> Void
    ) {
        self.database = database
        self.engine = engine
        self.store = LogStore(database: database)
        self.logger = logger
        self.failed = failed
    }

    /// Applies what a crash left between the log and the rows. Before the first `commit`.
    package func recover() throws(GrapeError) {
        for group in LogGroup.all(shardCount: engine.shardCount) {
            var applied = engine.appliedIndex(of: group)
            do {
                while true {
                    let entries = try store.entries(of: group, after: applied, bytesMax: 16 << 20)
                    guard let last = entries.last else { break }
                    _ = try engine.apply(entries)
                    applied = last.index
                }
                let last = try store.lastIndex(of: group) ?? applied
                positions.withLock { $0.next[group] = max(last, applied).next }
            } catch let error as StorageError {
                throw GrapeError(error)
            } catch let error as ApplyError {
                throw GrapeError(error)
            } catch {
                throw GrapeError(.internalError, "\(error)")
            }
        }
    }

    package func commit(_ proposals: [Proposal]) async throws(GrapeError) -> [ApplyOutcome] {
        let bytes = proposals.reduce(0) { $0 + $1.entry.count }
        let result = await withCheckedContinuation { answer in
            let call = Call(proposals: proposals, bytes: bytes, answer: answer)
            let refusal: GrapeError? = state.withLock { state in
                if let refusal = state.refusal { return refusal }
                guard state.waitingBytes == 0 || state.waitingBytes + bytes <= Limits.waitingWriteBytesMax else {
                    return GrapeError(
                        .overloaded, "\(state.waitingBytes) bytes of writes are waiting already", retryAfterSeconds: 1)
                }
                state.inbox.append(call)
                state.waitingBytes += bytes
                guard !state.isTurning else { return nil }
                state.isTurning = true
                turns.async { self.turn() }
                return nil
            }
            if let refusal { answer.resume(returning: .failure(refusal)) }
        }
        return try result.get()
    }

    /// Takes no more calls and waits for those that it has.
    package func close() async {
        state.withLock {
            $0.refusal = $0.refusal ?? GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)
        }
        await withCheckedContinuation { done in
            turns.async {
                self.applies.async { done.resume() }
            }
        }
    }

    // MARK: Turns

    private func turn() {
        while true {
            let calls = state.withLock { state in
                defer { state.inbox = [] }
                state.isTurning = !state.inbox.isEmpty
                return state.inbox
            }
            guard !calls.isEmpty else { return }
            guard !state.withLock({ $0.hasFailed }) else {
                answer(calls, .failure(GrapeError(.unavailable, "the log has failed", retryAfterSeconds: 5)))
                continue
            }
            do {
                let entries = try appendMakingRoom(calls)
                applies.async { self.apply(calls, entries) }
            } catch {
                refuse(calls, error)
            }
        }
    }

    /// On a full disk the turn is tried once more when the reserve has been given up for it. (Users' writes are refused
    /// before they come here; what comes are deletes, and writes that were on their way.)
    private func appendMakingRoom(_ calls: [Call]) throws(StorageError) -> [CommittedEntry] {
        do {
            return try append(calls)
        } catch {
            guard error.isWriteStop, database.checkSpace() != .full else { throw error }
            return try append(calls)
        }
    }

    private func append(_ calls: [Call]) throws(StorageError) -> [CommittedEntry] {
        let applied = LogGroup.all(shardCount: engine.shardCount).map { ($0, engine.appliedIndex(of: $0)) }
        var (entries, positions) = place(calls)
        var batch = try database.makeBatch()
        for entry in entries { LogStore.append(entry, to: &batch) }
        try database.write(batch)
        do {
            try syncWaitingForSpace()
        } catch {
            // The entries are written, so they may come back at the next start: nobody can be told that they won't.
            fail(GrapeError(error))
            throw error
        }
        for (group, index) in applied { positions.durable[group] = index }
        try dropEntries(&positions)
        self.positions.withLock { $0 = positions }
        return entries
    }

    /// Entries whose work is durable are not needed by a node that is alone. What fails for space is left for later.
    private func dropEntries(_ positions: inout Positions) throws(StorageError) {
        for (group, durable) in positions.durable {
            let dropped = positions.dropped[group] ?? LogIndex(0)
            guard durable.rawValue - dropped.rawValue >= Self.dropStep else { continue }
            do {
                try store.dropEntries(of: group, through: durable)
                positions.dropped[group] = durable
            } catch {
                guard error.isWriteStop else { throw error }
            }
        }
    }

    /// Entries that are written but not synced can't be taken back, so a full disk makes their callers wait.
    private func syncWaitingForSpace() throws(StorageError) {
        while true {
            do {
                return try database.syncLog()
            } catch {
                guard error.isWriteStop, !isClosing else { throw error }
                waitForSpace(error)
            }
        }
    }

    /// Gives every entry its place. The places count when the batch is durable.
    private func place(_ calls: [Call]) -> (entries: [CommittedEntry], positions: Positions) {
        var positions = positions.withLock { $0 }
        var entries: [CommittedEntry] = []
        for call in calls {
            for proposal in call.proposals {
                let index = positions.next[proposal.group] ?? LogIndex(1)
                positions.next[proposal.group] = index.next
                entries.append(CommittedEntry(group: proposal.group, index: index, term: 0, content: .command(proposal.entry)))
            }
        }
        return (entries, positions)
    }

    /// A full disk refuses the calls of the turn; any other failure of the log ends the node, because nobody can say
    /// what of it is on the disk (RAFT.md 6).
    private func refuse(_ calls: [Call], _ error: StorageError) {
        if !error.isWriteStop { fail(GrapeError(error)) }
        let isUnknown = state.withLock { $0.hasFailed }
        let failure =
            isUnknown ? GrapeError(.outcomeUnknown, "the log failed while it was written: \(error)") : GrapeError(error)
        answer(calls, .failure(failure))
    }

    // MARK: Apply

    private func apply(_ calls: [Call], _ entries: [CommittedEntry]) {
        do {
            var outcomes = try applyWaitingForSpace(entries)[...]
            for call in calls {
                let own = Array(outcomes.prefix(call.proposals.count))
                outcomes = outcomes.dropFirst(call.proposals.count)
                answer([call], .success(own))
            }
        } catch {
            let failure = GrapeError(error)
            fail(failure)
            let unknown = GrapeError(.outcomeUnknown, "the write is in the log but was not applied: \(failure.message)")
            answer(calls, .failure(unknown))
        }
    }

    /// The entries are durable, so a full disk can only delay them: they are applied when there is space again.
    private func applyWaitingForSpace(_ entries: [CommittedEntry]) throws(ApplyError) -> [ApplyOutcome] {
        while true {
            do {
                return try engine.apply(entries)
            } catch {
                guard case .storage(let storage) = error, storage.isWriteStop, !isClosing else { throw error }
                waitForSpace(storage)
            }
        }
    }

    private func waitForSpace(_ error: StorageError) {
        logger.warning("a write that is in the log waits for disk space", metadata: ["error": "\(error)"])
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(250))
        _ = database.checkSpace()
    }

    private var isClosing: Bool { state.withLock { $0.refusal != nil } }

    private func answer(_ calls: [Call], _ result: Result<[ApplyOutcome], GrapeError>) {
        let bytes = calls.reduce(0) { $0 + $1.bytes }
        state.withLock { $0.waitingBytes -= bytes }
        for call in calls { call.answer.resume(returning: result) }
    }

    private func fail(_ error: GrapeError) {
        let isFirst = state.withLock { state in
            defer {
                state.hasFailed = true
                state.refusal = state.refusal ?? error
            }
            return !state.hasFailed
        }
        if isFirst { failed(error) }
    }
}
