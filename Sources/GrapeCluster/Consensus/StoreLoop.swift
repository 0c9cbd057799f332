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
    private var waiting: [(ticket: UInt64, group: LogGroup, responses: [Message])] = []
    /// Written and not yet synced up to here; synced up to there.
    private var written: UInt64 = 0
    private var synced: UInt64 = 0
    private var requested: UInt64 = 0
    /// What found no space to be written.
    private var stalled: [(ReplicaDriver, Ready)] = []
    private var reads: ReadRounds
    private var ticks = 0
    private var hasNews = true
    package private(set) var refusedMessages = 0

    package init(_ settings: StoreLoopSettings, environment: Environment) {
        self.settings = settings
        self.environment = environment
        reads = ReadRounds(seed: settings.seed)
    }

    package var isStalled: Bool { !stalled.isEmpty }

    // MARK: Replicas

    /// Takes up a replica: one that the directory has, or a new one whose rows are written.
    package func add(_ replica: ReplicaID, _ store: RaftLogStore, isLost: Bool) throws(RaftError) {
        let driver = try ReplicaDriver(replica, store, settings, isLost: isLost)
        replicas.removeAll { $0.group == store.group }
        replicas.append(driver)
        replicas.sort { $0.group.number < $1.group.number }
        driver.campaignIfAlone()
        hasNews = true
    }

    /// Lets go of a replica. Who waits for it hears that its fate is unknown.
    package func remove(_ group: LogGroup) {
        guard let place = replicas.firstIndex(where: { $0.group == group }) else { return }
        let driver = replicas.remove(at: place)
        for token in driver.takeAllProposals() { environment.answer(token, .unknown) }
        waiting.removeAll { $0.group == group }
        reads.drop(group)
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

    package func status(tickMilliseconds: Int) -> [GroupStatus] {
        replicas.map { $0.status(tickMilliseconds: tickMilliseconds) }
    }

    // MARK: Events

    package func tick() {
        ticks += 1
        hasNews = true
        for driver in replicas where driver.isRunning { driver.tick() }
        if ticks % settings.heartbeatTicks == 0 { reads.retry(replicas) }
    }

    package func receive(_ messages: [GroupMessage], from node: NodeNumber) {
        for message in messages {
            guard let driver = driver(message.group), driver.isRunning, driver.accepts(message.message, from: node)
            else {
                refusedMessages += 1
                continue
            }
            driver.step(message.message)
        }
    }

    /// The connection to a node is gone: groups that it leads look for another leader, one replica after another.
    package func disconnected(_ node: NodeNumber) {
        for driver in replicas where driver.isRunning { driver.suspectLeader(on: node) }
    }

    package func propose(_ group: LogGroup, _ entry: [UInt8], _ token: Token) {
        guard let driver = driver(group), driver.isRunning else { return environment.answer(token, .notLeader(nil)) }
        if let refusal = driver.propose(entry, token) { environment.answer(token, refusal) }
    }

    package func changeConfiguration(_ group: LogGroup, _ change: ConfChange, _ token: Token) {
        guard let driver = driver(group), driver.isRunning else { return environment.answer(token, .notLeader(nil)) }
        if let refusal = driver.propose(change, token) { environment.answer(token, refusal) }
    }

    package func transferLeadership(of group: LogGroup, to replica: ReplicaID) {
        guard let driver = driver(group), driver.isRunning else { return }
        driver.transferLeadership(to: replica)
    }

    package func reportSnapshot(_ group: LogGroup, to replica: ReplicaID, succeeded: Bool) {
        guard let driver = driver(group), driver.isRunning else { return }
        driver.raft.reportSnapshot(replica, succeeded: succeeded)
    }

    /// A reader waits for all groups given, of which this node must have replicas.
    package func read(_ groups: [LogGroup], _ token: Token) {
        if reads.add(token, groups) { environment.readable(token) }
    }

    /// Nobody waits for this any more.
    package func cancel(_ token: Token) {
        reads.cancel(token)
    }

    package func synced(through ticket: UInt64) {
        synced = max(synced, ticket)
        while let first = waiting.first, first.ticket <= synced {
            waiting.removeFirst()
            deliver(first.responses, of: first.group)
        }
    }

    /// The entries are applied: in the store, and visible.
    package func applied(_ group: LogGroup, _ entries: [CommittedEntry], _ outcomes: [ApplyOutcome]) {
        guard let driver = driver(group), driver.isRunning else { return }
        for (token, result) in driver.applied(entries, outcomes) { environment.answer(token, result) }
        for token in reads.applied(group, through: driver.appliedIndex) { environment.readable(token) }
    }

    /// The rows of a snapshot lie ready. -> whether the core takes them; then `installed` ends what begins here.
    package func install(_ image: SnapshotImage, from sender: ReplicaID, term: Term) throws(StorageError) -> Bool {
        guard let driver = driver(image.group), driver.isRunning, !isStalled else { return false }
        try turn()
        driver.offer(image, from: sender, term: term)
        try turn()
        driver.withdrawOffer()
        return driver.isInstalling
    }

    /// The switch to the snapshot's rows is durable.
    package func installed(_ group: LogGroup) {
        guard let driver = driver(group) else { return }
        let (responses, lost) = driver.endInstall()
        deliver(responses, of: group)
        for token in lost { environment.answer(token, .unknown) }
        for token in reads.applied(group, through: driver.appliedIndex) { environment.readable(token) }
    }

    // MARK: Turns

    /// Carries out everything that has come up. Called when the waiting events are taken.
    package func turn() throws(StorageError) {
        if isStalled {
            guard try write(stalled) else { return }
            stalled = []
        }
        reads.begin(replicas)
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
    private func write(_ ready: [(ReplicaDriver, Ready)]) throws(StorageError) -> Bool {
        var batch = try environment.database.makeBatch()
        var needsSync = false
        for (driver, ready) in ready where ready.snapshot == nil {
            driver.store.put(ready.entries, ready.hardState, into: &batch)
            needsSync = needsSync || ready.mustSync
        }
        if !batch.isEmpty {
            do {
                try environment.write(batch)
            } catch {
                guard error.isWriteStop else { throw error }
                return false
            }
        }
        if needsSync { written += 1 }
        for (driver, ready) in ready {
            if ready.snapshot == nil { driver.store.note(ready.entries, ready.hardState) }
            carryOut(ready, of: driver)
        }
        return true
    }

    private func carryOut(_ ready: Ready, of driver: ReplicaDriver) {
        hasNews = hasNews || ready.softState != nil
        driver.observe(ready)
        let install = driver.beginInstall(ready)
        for message in ready.messages {
            switch message.to {
            case .appendThread where install != nil: break
            case .appendThread: whenDurable(message.responses, of: driver)
            case .applyThread: environment.apply(.entries(driver.group, driver.handOut(message)))
            default: post(message, of: driver)
            }
        }
        if let install { environment.apply(install) }
        for state in ready.readStates {
            for token in reads.confirm(driver.group, state, applied: driver.appliedIndex) { environment.readable(token) }
        }
    }

    private func whenDurable(_ responses: [Message], of driver: ReplicaDriver) {
        guard !responses.isEmpty else { return }
        guard synced < written else { return deliver(responses, of: driver.group) }
        waiting.append((written, driver.group, responses))
    }

    private func deliver(_ responses: [Message], of group: LogGroup) {
        guard let driver = driver(group), driver.isRunning else { return }
        for response in responses {
            if response.to == driver.id { driver.step(response) } else { post(response, of: driver) }
        }
    }

    private func post(_ message: Message, of driver: ReplicaDriver) {
        if message.kind == .snapshot {
            return environment.sendSnapshot(GroupMessage(group: driver.group, message: message))
        }
        outbox[message.to.node, default: []].append(GroupMessage(group: driver.group, message: message))
    }

    private func flush() {
        for node in outbox.keys.sorted() {
            if let messages = outbox[node], !messages.isEmpty { environment.send(messages, to: node) }
        }
        outbox.removeAll(keepingCapacity: true)
        if written > max(synced, requested) {
            requested = written
            environment.requestSync(written)
        }
    }

    private func noteStop(_ driver: ReplicaDriver) {
        guard let reason = driver.takeStop() else { return }
        for token in driver.takeAllProposals() { environment.answer(token, .unknown) }
        environment.stopped(driver.group, reason)
    }
}
