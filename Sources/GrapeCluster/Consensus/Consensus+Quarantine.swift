import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// Replicas whose rows or log can't be trusted: they take no part any more, and the cluster replaces them.
extension Consensus {
    /// How long a leader waits for another one before it goes all the same.
    private static let handoverTime = Duration.seconds(3)

    /// Ends this node's replica of a group as far as others see it: it never votes again under its id, and nobody is answered
    /// from its rows, which stay until another has taken its place. -> false where it is another replica, or gone.
    ///
    /// Whoever asks has made sure that the others can decide without it.
    package func quarantine(
        _ group: LogGroup, serial: UInt32, reason: String
    ) async throws(GrapeError) -> Bool {
        await handOver(group)
        return try await enter { [self] (loop) throws(StorageError) in
            guard let driver = loop.driver(group), driver.id.serial == serial else { return false }
            guard !driver.isLost else { return true }
            try putAside(group, driver.id, reason)
            loop.remove(group)
            try addLost(group, driver.id, loop)
            logger.critical(
                "a replica is set aside: others are to replace it",
                metadata: ["group": "\(group.number)", "replica": "\(driver.id.rawValue)", "reason": "\(reason)"])
            return true
        }
    }

    private func handOver(_ group: LogGroup) async {
        let end = ContinuousClock.now + Self.handoverTime
        while leader(of: group) == node, ContinuousClock.now < end {
            _ = post { loop in
                guard let driver = loop.driver(group), driver.isRunning, let heir = driver.successor else { return }
                driver.transferLeadership(to: heir)
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private func putAside(_ group: LogGroup, _ replica: ReplicaID, _ reason: String) throws(StorageError) {
        var batch = try database.makeBatch()
        batch.put(.state, key: StateKey.replica(group), value: ReplicaRecord(id: replica, isLost: true).encoded)
        var aside: (ShardID, Quarantine)?
        if case .shard(let shard) = group {
            let quarantine = Quarantine(
                replica: replica.rawValue, generation: engine.generation(of: group), reason: reason)
            engine.putQuarantine(shard, quarantine, into: &batch)
            aside = (shard, quarantine)
        }
        try database.write(batch, sync: true)
        if let (shard, quarantine) = aside { engine.setAside(shard, quarantine) }
    }

    /// Gives the loop a replica that takes no part; its log is not read.
    func addLost(_ group: LogGroup, _ replica: ReplicaID, _ loop: Loop) throws(StorageError) {
        let state = engine.state(of: group) ?? GroupState()
        let store = RaftLogStore(
            group: group, database: database, state: state,
            base: EntryID(term: Term(state.appliedTerm), index: RaftIndex(state.applied.rawValue)),
            hardState: HardState())
        do throws(RaftError) {
            try loop.add(replica, store, isLost: true)
        } catch {
            throw .corruption(
                .init(path: database.path, family: .state), file: nil,
                detail: "the state of group \(group.number) is none of a replica: \(error)")
        }
    }

    /// At the start of a node of a cluster: a replica whose log can't be read takes no part from the beginning.
    func setAsideAtStart(_ group: LogGroup, _ error: StorageError, _ loop: Loop) throws(StorageError) {
        guard let record = try ReplicaRecord.read(group, database) else { throw error }
        engine.noteFault(group, "\(error)")
        try putAside(group, record.id, "\(error)")
        try addLost(group, record.id, loop)
    }
}
