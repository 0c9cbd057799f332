import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// Replicas come and go: founded, created empty, dropped, renewed by a snapshot.
extension Consensus {
    /// A group's first replica on this node, when the cluster is founded.
    package struct Founding: Sendable {
        package let group: LogGroup
        package let replica: ReplicaID
        package let configuration: ConfState

        package init(group: LogGroup, replica: ReplicaID, configuration: ConfState) {
            self.group = group
            self.replica = replica
            self.configuration = configuration
        }
    }

    /// Makes the replicas with which this node founds a cluster, all in one synced batch. Those that are there already
    /// are passed over, so it may be repeated.
    package func found(_ foundings: [Founding]) async throws(GrapeError) {
        try await enter { (loop) throws(StorageError) in
            let new = foundings.filter { loop.driver($0.group) == nil }
            var batch = try self.database.makeBatch()
            var states: [LogGroup: GroupState] = [:]
            for founding in new {
                let state = try self.engine.newGroupState(
                    founding.group, applied: GrapeModel.LogIndex(ReplicaRows.founding.index.rawValue),
                    term: ReplicaRows.founding.term.rawValue, configuration: founding.configuration.encoded)
                states[founding.group] = state
                ReplicaRows.begin(founding.group, founding.replica, state, base: ReplicaRows.founding, into: &batch)
            }
            try self.database.write(batch, sync: true)
            self.engine.hold(states)
            for founding in new { try self.takeUp(founding.group, loop) }
        }
    }

    /// Makes an empty replica, which waits for its group's leader.
    package func createReplica(_ replica: ReplicaID, of group: LogGroup) async throws(GrapeError) {
        try await enter { (loop) throws(StorageError) in
            guard loop.driver(group) == nil else { return }
            let state = try self.engine.newGroupState(
                group, applied: GrapeModel.LogIndex(0), term: 0, configuration: [])
            var batch = try self.database.makeBatch()
            ReplicaRows.begin(group, replica, state, base: EntryID(term: .zero, index: .zero), into: &batch)
            try self.database.write(batch, sync: true)
            self.engine.hold([group: state], areEmpty: true)
            // Where the directory lost a replica of this very id, the new one must not vote for it.
            try self.takeUp(group, loop, promised: self.promises.withLock { $0[group] })
        }
    }

    /// Drops the replica: its log and state, behind the work that it has handed out, then its rows. On a full disk it waits
    /// for space: a replica that is half gone takes no part, yet its rows would go on being served.
    package func dropReplica(of group: LogGroup) async throws(GrapeError) {
        try await enter { (loop) throws(StorageError) in loop.remove(group) }
        try await applyThread(of: group).performWaitingForSpace { [self] () throws(GrapeError) in
            do throws(StorageError) {
                try deleteState(of: group)
            } catch {
                throw GrapeError(error)
            }
            try engine.release(group)
        }
    }

    private func deleteState(of group: LogGroup) throws(StorageError) {
        var batch = try database.makeBatch()
        ReplicaRows.end(group, into: &batch)
        try database.write(batch, sync: true)
    }

    /// Shows the core a snapshot whose rows lie ready under their generation. -> whether they take the place of what
    /// the replica had; the switch itself comes after.
    package func install(_ image: SnapshotImage, from sender: ReplicaID, term: Term) async throws(GrapeError) -> Bool {
        try await enter { (loop) throws(StorageError) in
            try loop.install(image, from: sender, term: term)
        }
    }

    /// Gives the loop the replica that the directory has of a group, if it has one.
    /// - Parameter promised: what it promised to others, as the file beside the database has it.
    func takeUp(
        _ group: LogGroup, _ loop: Loop, promised: Acknowledgement? = nil
    ) throws(StorageError) {
        if let record = try ReplicaRecord.read(group, database), record.isLost {
            return try addLost(group, record.id, loop)
        }
        do throws(StorageError) {
            try takeUpWhole(group, loop, promised: promised)
        } catch {
            guard error.isDamage, options.sparesDamaged else { throw error }
            try setAsideAtStart(group, error, loop)
        }
    }

    private func takeUpWhole(
        _ group: LogGroup, _ loop: Loop, promised: Acknowledgement?
    ) throws(StorageError) {
        guard let (record, store) = try ReplicaRows.read(group, database) else { return }
        // It began empty, and the process ended before rows came.
        if store.confState == ConfState(), case .shard(let shard) = group { engine.hide(shard) }
        let isLost = isLost(record, store, promised)
        // What is left of such a log may contradict the rows; nobody reads it.
        if isLost { store.restart(at: store.applied, hardState: HardState(), confState: store.confState) }
        do throws(RaftError) {
            try loop.add(record.id, store, isLost: isLost)
        } catch {
            throw .corruption(
                .init(path: database.path, family: .state), file: nil,
                detail: "the log of group \(group.number) contradicts its state: \(error)")
        }
    }

    /// Whether the replica promised what its log does not hold: it takes no part any more and is to be replaced.
    private func isLost(_ record: ReplicaRecord, _ store: RaftLogStore, _ promised: Acknowledgement?) -> Bool {
        guard ReplicaRows.isLost(record, store, promised: promised) else { return false }
        logger.critical(
            "the log lacks what this replica had promised to others: it takes no part until it is replaced",
            metadata: ["group": "\(store.group.number)", "replica": "\(record.id.rawValue)"])
        return true
    }
}
