import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// Drives the replicas of all groups on one node: takes events, and in turns writes one batch for all of them, asks for
/// one sync, and lets go what may be said (RAFT.md 1 to 6, 9 to 11, 18, 19).
///
/// Synchronous and without thread, clock or randomness of its own: time comes as ticks, randomness as a seed. The
/// simulator runs it as production does.
///
/// Invariants:
/// 1. What depends on durability (`responses` of a `storageAppend`) is said only when a sync has ended that was asked
///    for after the batch was written.
/// 2. A batch that could not be written stays as it is, and nothing is said or done before it is.
/// 3. A replica that stopped or is lost takes no events and says nothing.
package final class StoreLoop<Environment: StoreLoopEnvironment> {
    /// Whoever owns the loop.
    unowned let environment: Environment
    let settings: StoreLoopSettings
    /// In the order of their numbers.
    private(set) var replicas: [ReplicaDriver] = []
    private var outbox: [NodeNumber: [GroupMessage]] = [:]
    /// Responses that wait for the sync with this number.
    private var waiting: [(ticket: UInt64, driver: ReplicaDriver, responses: [Message])] = []
    /// The last turn that a sync has covered.
    private var synced: UInt64 = 0
    /// What the next sync is asked for; its ticket is that of the last turn that needs one.
    var nextSync = SyncRequest(ticket: 0)
    private var requested: UInt64 = 0
    /// What found no space to be written.
    private var stalled: [(ReplicaDriver, Ready)] = []
    var reads: ReadRounds
    var ticks = 0
    var appliedElsewhere: [LogGroup: RaftIndex] = [:]
    private var hasNews = true
    package internal(set) var refusedMessages = 0

    package init(_ settings: StoreLoopSettings, environment: Environment) {
        self.settings = settings
        self.environment = environment
        reads = ReadRounds(seed: settings.seed)
    }

    /// Nothing goes on until the disk has space.
    package var isStalled: Bool { !stalled.isEmpty }

    // MARK: Replicas

    /// Takes up a replica: one that the directory has, or a new one whose rows are written.
    package func add(_ replica: ReplicaID, _ store: RaftLogStore, isLost: Bool) throws(RaftError) {
        let driver = try ReplicaDriver(replica, store, settings, isLost: isLost)
        replicas.removeAll { $0.group == store.group }
        replicas.append(driver)
        replicas.sort { $0.group.number < $1.group.number }
        if !isLost { promiseAnew(driver) }
        driver.campaignIfAlone()
        hasNews = true
    }

    /// Lets go of a replica. Who waits for it hears that its fate is unknown.
    package func remove(_ group: LogGroup) {
        guard let place = replicas.firstIndex(where: { $0.group == group }) else { return }
        let driver = replicas.remove(at: place)
        for token in driver.takeAllProposals() { environment.answer(token, .unknown) }
        waiting.removeAll { $0.driver === driver }
        stalled.removeAll { $0.0 === driver }
        for token in reads.drop(group) { environment.unreadable(token) }
        hasNews = true
    }

    package func driver(_ group: LogGroup) -> ReplicaDriver? {
        // A node with all groups has shard n at place n; else look.
        if case .shard(let shard) = group, Int(shard.rawValue) < replicas.count,
            replicas[Int(shard.rawValue)].group == group
        {
            return replicas[Int(shard.rawValue)]
        }
        return replicas.first { $0.group == group }
    }

    // MARK: What others see

    /// Whether there is something that others should see: a leader changed, or a tick has passed.
    package func takeNews() -> Bool {
        defer { hasNews = false }
        return hasNews
    }

    func noteNews() { hasNews = true }

    package func status(tickMilliseconds: Int) -> [GroupStatus] {
        replicas.map { $0.status(tickMilliseconds: tickMilliseconds, synced: synced) }
    }

    // MARK: Turns

    /// Whether a turn would have something to write, to send or to hand on.
    package var wantsTurn: Bool {
        nextSync.ticket > requested || !outbox.isEmpty || replicas.contains { $0.isRunning && $0.raft.hasReady }
    }

    /// Carries out everything that has come up. Called when the waiting events are taken.
    package func turn() throws(StorageError) {
        if isStalled {
            guard try write(stalled) else { return }
            stalled = []
        }
        beginReads()
        while true {
            let ready = replicas.filter { $0.isRunning && $0.raft.hasReady }.map { ($0, $0.raft.ready()) }
            guard !ready.isEmpty else { break }
            guard try write(ready) else {
                stalled = ready
                return
            }
        }
        flush()
        for driver in replicas { noteStop(driver) }
    }

    /// Writes what the replicas want to have durable, then lets go what they say. -> false where there is no space.
    ///
    /// A commit index that moved alone is not written: it may be lost, as the core begins at what is applied.
    private func write(_ ready: [(ReplicaDriver, Ready)]) throws(StorageError) -> Bool {
        var batch = try environment.database.makeBatch()
        for (driver, ready) in ready where ready.snapshot == nil && ready.mustSync {
            driver.store.put(ready.entries, ready.hardState, into: &batch)
        }
        if !batch.isEmpty {
            do {
                try environment.write(batch)
            } catch {
                guard error.isWriteStop else { throw error }
                return false
            }
            nextSync.ticket += 1
        }
        for (driver, ready) in ready {
            if ready.snapshot == nil { note(ready, of: driver) }
            carryOut(ready, of: driver)
        }
        return true
    }

    /// What is written is what the core reads from now on, and what is promised once it is synced.
    private func note(_ ready: Ready, of driver: ReplicaDriver) {
        let before = driver.store.hardState
        driver.store.note(ready.entries, ready.hardState)
        guard ready.mustSync else { return }
        let state = driver.store.hardState
        driver.ticket = nextSync.ticket
        promise(driver)
        nextSync.holdsVote = nextSync.holdsVote || state.term != before.term || state.vote != before.vote
    }

    func promise(_ driver: ReplicaDriver) {
        let state = driver.store.hardState
        nextSync.promises[driver.group] = Acknowledgement(
            replica: driver.id, term: state.term, vote: state.vote, last: driver.store.last)
    }

    /// What the directory holds was promised by an earlier run, of which the file of promises may know less: it is synced later
    /// than the log, and a group that is quiet writes no more of them (RAFT.md 7).
    private func promiseAnew(_ driver: ReplicaDriver) {
        nextSync.ticket += 1
        nextSync.holdsVote = true
        promise(driver)
    }

    private func carryOut(_ ready: Ready, of driver: ReplicaDriver) {
        if driver.observe(ready) { hasNews = true }
        let install = driver.beginInstall(ready)
        precondition(install != nil || ready.snapshot == nil, "the core took a snapshot whose rows are not here")
        for message in ready.messages {
            switch message.to {
            case .appendThread where install != nil: break
            case .appendThread: whenDurable(message.responses, of: driver)
            case .applyThread:
                environment.apply(.entries(driver.group, replica: driver.id, driver.handOut(message)))
            default: post(message, of: driver)
            }
        }
        if let install { environment.apply(install) }
        if let leader = ready.softState?.leader, leader != .none { carryOut(reads.retry(driver)) }
    }

    /// Responses need not wait for a sync where nothing of their replica is unsynced.
    private func whenDurable(_ responses: [Message], of driver: ReplicaDriver) {
        guard !responses.isEmpty else { return }
        guard driver.ticket > synced else { return deliver(responses, of: driver) }
        waiting.append((driver.ticket, driver, responses))
    }

    func deliver(_ responses: [Message], of driver: ReplicaDriver) {
        guard driver.isRunning else { return }
        for response in responses {
            if response.to == driver.id { driver.step(response) } else { post(response, of: driver) }
        }
    }

    /// The sync with this ticket has ended.
    package func synced(through ticket: UInt64) {
        synced = max(synced, ticket)
        let count = waiting.prefix(while: { $0.ticket <= synced }).count
        let ready = waiting.prefix(count)
        waiting.removeFirst(count)
        for (_, driver, responses) in ready { deliver(responses, of: driver) }
    }

    // MARK: Messages

    private func post(_ message: Message, of driver: ReplicaDriver) {
        if message.kind == .snapshot {
            return environment.sendSnapshot(GroupMessage(group: driver.group, message: message))
        }
        for part in message.parts(entriesMax: settings.appendEntriesMax) {
            outbox[message.to.node, default: []].append(GroupMessage(group: driver.group, message: part))
        }
    }

    private func flush() {
        for node in outbox.keys.sorted() {
            if let messages = outbox[node], !messages.isEmpty { environment.send(messages, to: node) }
        }
        outbox.removeAll(keepingCapacity: true)
        guard nextSync.ticket > requested else { return }
        requested = nextSync.ticket
        environment.requestSync(nextSync)
        nextSync = SyncRequest(ticket: requested)
    }

    private func noteStop(_ driver: ReplicaDriver) {
        guard let reason = driver.takeStop() else { return }
        hasNews = true
        for token in driver.takeAllProposals() { environment.answer(token, .unknown) }
        for token in reads.drop(driver.group) { environment.unreadable(token) }
        environment.stopped(driver.group, reason)
    }
}

extension Message {
    /// A long append as several that follow each other: the first holds what the core sent it behind.
    fileprivate func parts(entriesMax: Int) -> [Message] {
        guard kind == .append, entries.count > entriesMax else { return [self] }
        return stride(from: 0, to: entries.count, by: entriesMax).map { start in
            var part = self
            part.entries = Array(entries[start..<min(entries.count, start + entriesMax)])
            if start > 0 {
                part.index = entries[start - 1].index
                part.logTerm = entries[start - 1].term
            }
            return part
        }
    }
}
