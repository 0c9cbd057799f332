import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// What a replica has in the store beside the rows of its shard, and the batches by which it begins, is renewed by a
/// snapshot, and ends. The threads of a node and the simulator write them alike.
package enum ReplicaRows {
    /// Index and term at which every group's log begins: there the founders are its configuration.
    package static let founding = EntryID(term: Term(1), index: RaftIndex(1))

    /// - Parameter base: where its log begins: `founding` of a founder, zero of one that waits for its group's leader.
    package static func begin(
        _ group: LogGroup, _ replica: ReplicaID, _ state: GroupState, base: EntryID, into batch: inout WriteBatch
    ) {
        let hardState = HardState(term: base.term, vote: .none, commit: base.index)
        batch.put(.state, key: StateKey.replica(group), value: ReplicaRecord(id: replica).encoded)
        batch.put(.state, key: StateKey.group(group), value: state.encoded)
        batch.put(.state, key: StateKey.logBase(group), value: base.encoded)
        batch.put(.state, key: StateKey.hardState(group), value: hardState.encoded)
    }

    /// The group's state with its new generation, the log's new beginning, the hard state.
    package static func renew(_ image: SnapshotImage, _ hardState: HardState, into batch: inout WriteBatch) {
        let base = EntryID(term: Term(image.state.appliedTerm), index: RaftIndex(image.state.applied.rawValue))
        for key in image.finishedKeys { batch.delete(.state, key: key) }
        batch.put(.state, key: StateKey.group(image.group), value: image.state.encoded)
        batch.put(.state, key: StateKey.hardState(image.group), value: hardState.encoded)
        batch.put(.state, key: StateKey.logBase(image.group), value: base.encoded)
        batch.deleteRange(
            .log, from: RaftLogStore.key(image.group, .zero), to: RaftLogStore.key(image.group, .max))
        image.catalog?.replaceRows(in: &batch)
    }

    package static func end(_ group: LogGroup, into batch: inout WriteBatch) {
        for key in [StateKey.replica(group), StateKey.hardState(group), StateKey.logBase(group), StateKey.group(group)]
        {
            batch.delete(.state, key: key)
        }
        batch.deleteRange(.log, from: RaftLogStore.key(group, .zero), to: RaftLogStore.key(group, .max))
    }

    /// Whether the replica promised what its log does not hold, or the directory is from a time before a replica that has
    /// promised something since: it takes no part any more and is to be replaced (RAFT.md 7).
    package static func isLost(_ record: ReplicaRecord, _ log: RaftLogStore, promised: Acknowledgement?) -> Bool {
        let isWhole = log.base.index <= log.applied.index && log.applied.index <= log.last.index
        guard !record.isLost, isWhole else { return true }
        guard let promised, promised.replica.serial >= record.id.serial else { return false }
        return promised.replica != record.id
            || !promised.isKept(by: log.hardState, base: log.base, last: log.last)
    }

    /// Drops the entries up to here; called when what covers them is on the disk.
    package static func dropLog(of group: LogGroup, through index: RaftIndex, _ database: Database) throws(StorageError)
    {
        try database.dropRange(
            .log, from: RaftLogStore.key(group, .zero), to: RaftLogStore.key(group, index.next))
    }

    /// The replica of a group that the directory has, with its log; nil where it has none.
    package static func read(
        _ group: LogGroup, _ database: Database
    ) throws(StorageError) -> (record: ReplicaRecord, log: RaftLogStore)? {
        guard let record = try ReplicaRecord.read(group, database) else { return nil }
        func row<Row>(_ key: [UInt8], _ read: ([UInt8]) -> Row?) throws(StorageError) -> Row {
            guard let bytes = try database.get(.state, key), let row = read(bytes) else {
                throw .damagedRow(path: database.path, family: .state, key: key)
            }
            return row
        }
        let log = RaftLogStore(
            group: group, database: database, state: try row(StateKey.group(group)) { GroupState(encoded: $0) },
            base: try row(StateKey.logBase(group)) { EntryID(encoded: $0) },
            hardState: try row(StateKey.hardState(group)) { HardState(encoded: $0) })
        try log.loadEnd()
        return (record, log)
    }
}
