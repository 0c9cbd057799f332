import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// What the store loop hears.
extension StoreLoop {
    /// A fifth of a heartbeat has passed. While the disk is full time stands still: a leader that can write nothing is
    /// to be followed by another.
    package func tick() throws(StorageError) {
        ticks += 1
        noteNews()
        if ticks % settings.compactionTicks == 0 { try compactLogs() }
        if isStalled { return }
        for driver in replicas where driver.isRunning { driver.tick() }
        if ticks % settings.heartbeatTicks == 0 { carryOut(reads.retry(replicas)) }
    }

    package func receive(_ messages: [GroupMessage], from node: NodeNumber) {
        for message in messages {
            guard !isStalled, let driver = driver(message.group), driver.isRunning,
                driver.accepts(message.message, from: node)
            else {
                refusedMessages += 1
                continue
            }
            driver.receive(message.message)
        }
    }

    /// The connection to a node is gone: groups that it leads look for another leader, one replica after another.
    package func disconnected(_ node: NodeNumber) {
        for driver in replicas where driver.isRunning { driver.suspectLeader(on: node) }
    }

    // MARK: Writes

    package func propose(_ group: LogGroup, _ entry: [UInt8], _ token: Token) {
        proposing(to: group, token) { $0.propose(entry, token) }
    }

    package func changeConfiguration(_ group: LogGroup, _ change: ConfChange, _ token: Token) {
        proposing(to: group, token) { $0.propose(change, token) }
    }

    private func proposing(to group: LogGroup, _ token: Token, _ propose: (ReplicaDriver) -> ProposalResult?) {
        guard let driver = driver(group), driver.isRunning else { return environment.answer(token, .notLeader(nil)) }
        if isStalled {
            let error = GrapeError(.diskFull, "the disk is full: nothing is written now", retryAfterSeconds: 5)
            return environment.answer(token, .refused(error))
        }
        if let refusal = propose(driver) { environment.answer(token, refusal) }
    }

    package func transferLeadership(of group: LogGroup, to replica: ReplicaID) {
        guard let driver = driver(group), driver.isRunning else { return }
        driver.transferLeadership(to: replica)
    }

    /// Hands all groups that this node leads to others that are able to: before it stops, or because its disk is slow.
    package func handOverLeadership() {
        for driver in replicas where driver.isRunning {
            if let successor = driver.successor { driver.transferLeadership(to: successor) }
        }
    }

    // MARK: Reads

    /// A reader waits for all groups given.
    package func read(_ groups: [LogGroup], _ token: Token) {
        guard groups.allSatisfy({ driver($0)?.takesResults ?? false }) else { return environment.unreadable(token) }
        if reads.add(token, groups) { environment.readable(token) }
    }

    /// Asks the other nodes for those who wait for the next round.
    func beginReads() {
        guard !isStalled, case let due = reads.due, due > 0, environment.mayBeginReads(waiting: due) else { return }
        carryOut(reads.begin(replicas))
    }

    func carryOut(_ step: ReadRounds.Step) {
        for (node, exchange) in step.exchanges { environment.send(exchange, to: node) }
        for token in step.readable { environment.readable(token) }
    }

    package func receive(_ exchange: ReadExchange, from node: NodeNumber) {
        guard !isStalled else { return }
        switch exchange {
        case .ask(let round, let groups):
            let standings = groups.compactMap { group in
                driver(group).flatMap { $0.isRunning ? $0.standing : nil }
            }
            environment.send(.answer(round: round, standings), to: node)
        case .answer(let round, let standings):
            let readable = reads.take(standings, round, from: node) { driver($0)?.appliedIndex }
            for token in readable { environment.readable(token) }
        }
    }

    /// Nobody waits for this any more.
    package func cancel(_ token: Token) {
        reads.cancel(token)
    }

    // MARK: What was asked for

    /// The entries are applied: in the store, and visible.
    ///
    /// Apply does not sync, but whoever ends a move must know that a change of configuration can't be forgotten: so one
    /// is synced soon, also where nothing else is written.
    package func applied(
        _ group: LogGroup, replica: ReplicaID, _ entries: [CommittedEntry], _ outcomes: [ApplyOutcome]
    ) {
        // It may have been dropped meanwhile, and another made in its place.
        guard let driver = driver(group), driver.id == replica, driver.takesResults else { return }
        if entries.contains(where: \.changesConfiguration) {
            nextSync.ticket += 1
            driver.noteConfiguration(nextSync.ticket)
        }
        for (token, result) in driver.applied(entries, outcomes) { environment.answer(token, result) }
        for token in reads.applied(group, through: driver.appliedIndex) { environment.readable(token) }
    }

    /// The rows of a snapshot lie ready. -> whether the core takes them; then `installed` ends what begins here.
    package func install(_ image: SnapshotImage, from sender: ReplicaID, term: Term) throws(StorageError) -> Bool {
        try turn()
        guard !isStalled, let driver = driver(image.group), driver.isRunning else { return false }
        driver.offer(image, from: sender, term: term)
        try turn()
        // Where the core took it in a turn that waits for space, the image is needed when that turn goes on.
        if isStalled { return driver.hasOffer }
        driver.withdrawOffer()
        return driver.isInstalling
    }

    /// The switch to the snapshot's rows is durable.
    package func installed(_ group: LogGroup, replica: ReplicaID) {
        guard let driver = driver(group), driver.id == replica else { return }
        let (responses, lost) = driver.endInstall()
        nextSync.ticket += 1
        promise(driver)
        deliver(responses, of: driver)
        for token in lost { environment.answer(token, .unknown) }
        for token in reads.applied(group, through: driver.appliedIndex) { environment.readable(token) }
        carryOut(reads.retry(driver))
        noteNews()
    }

    package func reportSnapshot(_ group: LogGroup, to replica: ReplicaID, succeeded: Bool) {
        guard let driver = driver(group), driver.isRunning else { return }
        driver.raft.reportSnapshot(replica, succeeded: succeeded)
    }
}

extension CommittedEntry {
    fileprivate var changesConfiguration: Bool {
        if case .configuration = content { true } else { false }
    }
}
