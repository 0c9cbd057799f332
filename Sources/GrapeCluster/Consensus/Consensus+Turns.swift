import Dispatch
import GrapeEngine
import GrapeModel
import GrapeStorage
import Synchronization

/// What the store loop hears, one turn at a time, and looks between turns.
extension Consensus {
    /// Runs a body on a thread that may block, between turns, and waits for it.
    func enter<Result: Sendable>(
        _ body: @escaping @Sendable (Loop) throws(StorageError) -> Result
    ) async throws(GrapeError) -> Result {
        let result: Swift.Result<Result, GrapeError> = await withCheckedContinuation { done in
            let isTaken = post { loop in
                do throws(StorageError) {
                    done.resume(returning: .success(try body(loop)))
                } catch {
                    done.resume(returning: .failure(GrapeError(error)))
                }
            }
            if !isTaken { done.resume(returning: .failure(Self.closing)) }
        }
        return try result.get()
    }

    /// -> false where nothing is taken any more.
    func post(_ event: @escaping Event) -> Bool {
        let (isTaken, starts) = add(event)
        if starts { turns.async { self.run() } }
        return isTaken
    }

    /// The same from a thread that may block: where the loop rests, it turns here, but not for what comes meanwhile.
    func postAndTurn(_ event: @escaping Event) {
        if add(event).starts, turn() { turns.async { self.run() } }
    }

    private func add(_ event: @escaping Event) -> (isTaken: Bool, starts: Bool) {
        inbox.withLock { inbox in
            guard !inbox.isClosed, !inbox.hasFailed else { return (false, false) }
            inbox.events.append(event)
            defer { inbox.isTurning = true }
            return (true, !inbox.isTurning)
        }
    }

    /// Carries out what needs no turn (rounds of reads, answers to what was applied): at once, on the caller's thread, where the loop
    /// rests between turns, else on the thread that has the loop, when it gives it back. A change of threads costs more
    /// than all of it. -> false where it is not taken: nothing is any more, or so many wait already, as one turn may wait
    /// for space on the disk.
    func look(unlessWaiting most: Int = .max, _ look: @escaping Look) -> Bool {
        let isTaken = inbox.withLock { inbox in
            guard !inbox.isClosed, !inbox.hasFailed, inbox.looks.count < most else { return false }
            inbox.looks.append(look)
            return true
        }
        if isTaken { carryOutLooks() }
        return isTaken
    }

    /// Whoever finds the loop taken leaves: its holder comes here after giving it back.
    private func carryOutLooks() {
        while inbox.withLock({ !$0.looks.isEmpty }) {
            let isDone: Void? = loop.withLockIfAvailable { loop in
                let looks = inbox.withLock { inbox in
                    defer { inbox.looks = [] }
                    return inbox.looks
                }
                guard let loop else { return }
                for look in looks { look(loop) }
                loop.beginReads()
            }
            if isDone == nil { return }
        }
    }

    private func run() {
        while turn() {}
    }

    /// One turn, for all events that wait. -> whether others came meanwhile; where not, whoever posts the next one sees to it.
    private func turn() -> Bool {
        let events = inbox.withLock { inbox in
            defer { inbox.events = [] }
            return inbox.events
        }
        do throws(StorageError) {
            try loop.withLock { (loop) throws(StorageError) in
                guard let loop, !events.isEmpty else { return }
                for event in events { try event(loop) }
                try loop.turn()
                publish(loop)
            }
        } catch {
            fail(GrapeError(error))
        }
        carryOutLooks()
        return inbox.withLock { inbox in
            inbox.isTurning = !inbox.events.isEmpty
            return inbox.isTurning
        }
    }

    private static let waitingTicksMax = 1 << 10

    func tick() {
        let late = calls.expire(at: .now)
        // A turn that waits for space on the disk may take hours.
        let ticks = inbox.withLock { inbox in
            guard inbox.waitingTicks < Self.waitingTicksMax else { return false }
            inbox.waitingTicks += 1
            return true
        }
        if ticks || !late.isEmpty {
            _ = post { [self] (loop) throws(StorageError) in
                for token in late { loop.cancel(token) }
                guard ticks else { return }
                inbox.withLock { $0.waitingTicks -= 1 }
                try loop.tick()
            }
        }
        watchDisk()
    }

    /// A disk that does not answer ends the node; one that is slow or full costs it its leaderships, now and then
    /// (RAFT.md 8, 22).
    private func watchDisk() {
        if syncs.stuckFor > Self.stuckMax {
            return fail(GrapeError(.internalError, "a sync of the log has not ended for \(syncs.stuckFor)"))
        }
        let isFull = database.spaceState == .full
        let hasTrouble = published.withLock { published in
            guard isFull || published.fsync.averageMilliseconds > Double(options.electionTimeoutMilliseconds) / 4,
                published.lastHandover.map({ $0 + Self.handoverPause < .now }) ?? true
            else { return false }
            published.lastHandover = .now
            return true
        }
        if hasTrouble { _ = post { $0.handOverLeadership() } }
    }

    private static let stuckMax = Duration.seconds(30)
    /// Where all disks are slow or full, leadership should not go round and round.
    private static let handoverPause = Duration.seconds(60)

    func publish(_ loop: Loop) {
        guard loop.takeNews() else { return }
        let status = loop.status(tickMilliseconds: options.tickMilliseconds)
        var leaders: [LogGroup: NodeNumber] = [:]
        for group in status where group.leader != .none { leaders[group.group] = group.leader.node }
        let isAlone =
            status.count == engine.shardCount + 1
            && status.allSatisfy {
                $0.role == .leader && $0.configuration.voters == [$0.replica] && $0.hasCommittedInTerm
            }
        published.withLock {
            $0.status = status
            $0.time = .now
            $0.leaders = leaders
            $0.isAlone = isAlone
        }
    }

    /// Nothing may be said after a disk that failed (RAFT.md 6): what waits stays without answer.
    func fail(_ error: GrapeError) {
        let isFirst = inbox.withLock { inbox in
            defer {
                inbox.hasFailed = true
                inbox.events = []
                inbox.looks = []
            }
            return !inbox.hasFailed
        }
        guard isFirst else { return }
        published.withLock { $0.isAlone = false }
        _ = calls.expire(at: nil)
        failed(error)
    }
}
