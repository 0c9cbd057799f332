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

    /// Index and term at which every group's log begins: there the founders are its configuration.
    private static let beginning = EntryID(term: Term(1), index: RaftIndex(1))

    /// Makes the replicas with which this node founds a cluster, all in one synced batch. Those that are there already
    /// are passed over, so it may be repeated.
    package func found(_ foundings: [Founding]) async throws(GrapeError) {
        try await enter { (loop) throws(StorageError) in
            let new = foundings.filter { loop.driver($0.group) == nil }
            var batch = try self.database.makeBatch()
            var states: [LogGroup: GroupState] = [:]
            for founding in new {
                let state = self.engine.newGroupState(
                    founding.group, applied: GrapeModel.LogIndex(Self.beginning.index.rawValue),
                    term: Self.beginning.term.rawValue, configuration: founding.configuration.encoded)
                states[founding.group] = state
                Self.put(founding.group, founding.replica, state, base: Self.beginning, into: &batch)
            }
            try self.database.write(batch, sync: true)
            self.engine.hold(states)
            for founding in new { try Self.takeUp(founding.group, loop, self.database) }
        }
    }

    /// Makes an empty replica, which waits for its group's leader.
    package func createReplica(_ replica: ReplicaID, of group: LogGroup) async throws(GrapeError) {
        try await enter { (loop) throws(StorageError) in
            guard loop.driver(group) == nil else { return }
            let state = self.engine.newGroupState(
                group, applied: GrapeModel.LogIndex(0), term: 0, configuration: [])
            var batch = try self.database.makeBatch()
            Self.put(group, replica, state, base: EntryID(term: .zero, index: .zero), into: &batch)
            try self.database.write(batch, sync: true)
            self.engine.hold([group: state])
            try Self.takeUp(group, loop, self.database)
        }
    }

    /// Drops the replica: its log and state at once, its rows after.
    package func dropReplica(of group: LogGroup) async throws(GrapeError) {
        try await enter { (loop) throws(StorageError) in
            loop.remove(group)
            var batch = try self.database.makeBatch()
            for key in [StateKey.replica(group), StateKey.hardState(group), StateKey.logBase(group), StateKey.group(group)] {
                batch.delete(.state, key: key)
            }
            batch.deleteRange(.log, from: RaftLogStore.key(group, .zero), to: RaftLogStore.key(group, .max))
            try self.database.write(batch, sync: true)
        }
        try engine.release(group)
    }

    /// Shows the core a snapshot whose rows lie ready under their generation. -> whether they take the place of what the
    /// replica had; the switch itself comes after.
    package func install(_ image: SnapshotImage, from sender: ReplicaID, term: Term) async throws(GrapeError) -> Bool {
        try await enter { (loop) throws(StorageError) in
            try loop.install(image, from: sender, term: term)
        }
    }

    private static func put(
        _ group: LogGroup, _ replica: ReplicaID, _ state: GroupState, base: EntryID, into batch: inout WriteBatch
    ) {
        let hardState = HardState(term: base.term, vote: .none, commit: base.index)
        batch.put(.state, key: StateKey.replica(group), value: ReplicaRecord(id: replica).encoded)
        batch.put(.state, key: StateKey.group(group), value: state.encoded)
        batch.put(.state, key: StateKey.logBase(group), value: base.encoded)
        batch.put(.state, key: StateKey.hardState(group), value: hardState.encoded)
    }

    /// Gives the loop the replica that the directory has of a group, if it has one.
    static func takeUp(_ group: LogGroup, _ loop: Loop, _ database: Database) throws(StorageError) {
        guard let record = try ReplicaRecord.read(group, database) else { return }
        func row<Row>(_ key: [UInt8], _ read: ([UInt8]) -> Row?) throws(StorageError) -> Row {
            guard let bytes = try database.get(.state, key), let row = read(bytes) else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            return row
        }
        let store = RaftLogStore(
            group: group, database: database, state: try row(StateKey.group(group)) { GroupState(encoded: $0) },
            base: try row(StateKey.logBase(group)) { EntryID(encoded: $0) },
            hardState: try row(StateKey.hardState(group)) { HardState(encoded: $0) })
        try store.loadEnd()
        do throws(RaftError) {
            try loop.add(record.id, store, isLost: record.isLost)
        } catch {
            throw .corruption(
                .init(path: database.path, family: .state), file: nil,
                detail: "the log of group \(group.number) contradicts its state: \(error)")
        }
    }
}
