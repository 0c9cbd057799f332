import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging

/// Makes a cluster of one out of the directory of a node that outlived the majority of its cluster.
///
/// 1. Every group that is here gets this node's replica as its only voter; groups that are not begin anew, empty. Entries
///    that were not known to be committed stay: any of them may have been acknowledged. Changes of configuration among
///    them are emptied, so that none brings a lost replica back.
/// 2. A node runs on the directory until all of that is applied.
/// 3. Shards get their next epoch, so that writes meant for the old cluster are refused, and the catalog again names this
///    node alone.
///
/// The cluster's id is a new one from the first step on: nodes of the old cluster can't mix with this one. A recovery that
/// was cut off is done again from the beginning.
package struct Recovery: Sendable {
    /// A group, and what may be lost of it.
    package struct Group: Sendable {
        package let group: LogGroup
        /// Not held here: all of it is lost, but for what other directories have.
        package let isMissing: Bool
        /// What this replica knew to be committed, and the end of its log. Others may have had more.
        package let committed: UInt64
        package let last: UInt64
        /// The replica had lost a part of its log: acknowledged writes may be missing in the midst.
        package let hadLostLog: Bool
        package let otherVoters: Int
    }

    private let path: String
    private let version: String

    package init(_ path: String, version: String) {
        self.path = path
        self.version = version
    }

    /// What there is to recover, and at which price. Changes nothing.
    package func outlook() throws(GrapeError) -> (nodeID: String, isAlone: Bool, groups: [Group]) {
        let directory = try DataDirectory(path)
        defer { try? directory.close() }
        var found: [Group] = []
        for group in LogGroup.exported(shardCount: directory.shardCount) {
            found.append(try Self.storing { () throws(StorageError) in try Self.look(at: group, directory) })
        }
        return (directory.nodeID, directory.isAlone, found)
    }

    private static func look(at group: LogGroup, _ directory: DataDirectory) throws(StorageError) -> Group {
        guard let (record, log) = try ReplicaRows.read(group, directory.database) else {
            return Group(
                group: group, isMissing: true, committed: 0, last: 0, hadLostLog: false, otherVoters: 0)
        }
        return Group(
            group: group, isMissing: false, committed: max(log.hardState.commit, log.applied.index).rawValue,
            last: max(log.last.index, log.applied.index).rawValue,
            hadLostLog: record.isLost || log.applied.index > log.last.index,
            otherVoters: log.confState.voters.filter { $0 != record.id }.count)
    }

    /// -> the new cluster's id.
    package func run(logger: Logger) async throws(GrapeError) -> String {
        let cluster = try begin(NodeIdentity.newClusterID())
        let options = try DataDirectory.closing(path) { (directory) throws(GrapeError) in
            directory.nodeOptions(version: version)
        }
        let node = try await Node.open(options, logger: logger)
        await node.close()
        try end()
        return cluster.text
    }

    // MARK: Steps

    private func begin(_ cluster: PointID) throws(GrapeError) -> PointID {
        let directory = try DataDirectory(path, writing: true)
        defer { try? directory.close() }
        guard let number = directory.number else {
            throw GrapeError(.cannotStart, "\(path) belongs to no cluster yet: there is nothing to recover")
        }
        try Self.storing { () throws(StorageError) in
            var serial = directory.catalog.layout.nextSerial
            var batch = try directory.database.makeBatch()
            var places: [LogGroup: ReplicaPlace] = [:]
            for group in LogGroup.exported(shardCount: directory.shardCount) {
                if let (record, log) = try ReplicaRows.read(group, directory.database) {
                    try takeOver(group, record, log, directory.database, &batch)
                    places[group] = ReplicaPlace(node: number, serial: record.id.serial)
                } else {
                    places[group] = ReplicaPlace(node: number, serial: serial)
                    try beginAnew(group, ReplicaID(node: number, serial: serial), directory.database, &batch)
                    serial += 1
                }
            }
            writeLayout(directory, number, places, nextSerial: serial, &batch)
            writeIdentity(directory, cluster, &batch)
            try directory.database.write(batch, sync: true)
            // What was promised to others binds nobody any more.
            try Folder(path).remove("acknowledged")
        }
        return cluster
    }

    private func takeOver(
        _ group: LogGroup, _ record: ReplicaRecord, _ log: RaftLogStore, _ database: Database,
        _ batch: inout WriteBatch
    ) throws(StorageError) {
        guard let bytes = try database.get(.state, StateKey.group(group)), var state = GroupState(encoded: bytes) else {
            throw .damagedRow(path: database.path, family: .state, key: StateKey.group(group))
        }
        state.configuration = ConfState(voters: [record.id]).encoded
        batch.put(.state, key: StateKey.group(group), value: state.encoded)
        batch.put(.state, key: StateKey.replica(group), value: ReplicaRecord(id: record.id).encoded)
        let isWhole = log.base.index <= log.applied.index && log.applied.index <= log.last.index
        var hardState = log.hardState
        hardState.vote = .none
        if isWhole {
            try RaftLogStore.emptyConfigurationChanges(of: group, after: log.applied.index, database, &batch)
        } else {
            batch.deleteRange(.log, from: RaftLogStore.key(group, .zero), to: RaftLogStore.key(group, .max))
            batch.put(.state, key: StateKey.logBase(group), value: log.applied.encoded)
            hardState.commit = log.applied.index
            hardState.term = max(hardState.term, log.applied.term)
        }
        batch.put(.state, key: StateKey.hardState(group), value: hardState.encoded)
    }

    private func beginAnew(
        _ group: LogGroup, _ replica: ReplicaID, _ database: Database, _ batch: inout WriteBatch
    ) throws(StorageError) {
        var state = GroupState()
        state.applied = GrapeModel.LogIndex(ReplicaRows.founding.index.rawValue)
        state.appliedTerm = ReplicaRows.founding.term.rawValue
        state.configuration = ConfState(voters: [replica]).encoded
        if case .shard(let shard) = group {
            let key = StateKey.newestGeneration(shard)
            var reader = ByteReader(try database.get(.state, key) ?? [])
            state.generation = ReplicaGeneration((reader.integer(UInt32.self) ?? 0) + 1)
            var value: [UInt8] = []
            value.appendLittleEndian(state.generation.rawValue)
            batch.put(.state, key: key, value: value)
        }
        ReplicaRows.begin(group, replica, state, base: ReplicaRows.founding, into: &batch)
    }

    private func writeIdentity(_ directory: DataDirectory, _ cluster: PointID, _ batch: inout WriteBatch) {
        var record = directory.record
        record.founded = nil
        record.hasBegun = true
        let identity = NodeIdentity(clusterID: cluster, shardCount: directory.shardCount)
        batch.put(.state, key: StateKey.member, value: record.encoded)
        batch.put(.state, key: StateKey.identity, value: identity.encoded)
    }

    /// This node is the only member, its replicas the only ones.
    private func writeLayout(
        _ directory: DataDirectory, _ number: NodeNumber, _ places: [LogGroup: ReplicaPlace], nextSerial: UInt32,
        _ batch: inout WriteBatch
    ) {
        let old = directory.catalog.layout
        var own =
            old.members.first { $0.number == number }
            ?? Member(
                number: number, nodeID: directory.nodeID, bootID: directory.record.bootID,
                addresses: NodeOptions(dataDirectory: path).addresses, version: version, catalogSerial: 0)
        own.state = .member
        own.catalogSerial = places[.catalog]?.serial ?? own.catalogSerial
        let placements = (0..<directory.shardCount).map { shard in
            ShardPlacement(replicas: [places[.shard(ShardID(UInt16(shard)))]].compactMap(\.self))
        }
        let layout = ClusterLayout(
            members: [own], placements: placements, replicaCount: old.replicaCount,
            nextNode: max(old.nextNode, number.rawValue + 1), nextSerial: max(old.nextSerial, nextSerial))
        batch.put(.catalog, key: CatalogKey.layout, value: layout.encoded)
    }

    private func end() throws(GrapeError) {
        let directory = try DataDirectory(path, writing: true)
        defer { try? directory.close() }
        guard let number = directory.number else { return }
        try Self.storing { () throws(StorageError) in
            var batch = try directory.database.makeBatch()
            var places: [LogGroup: ReplicaPlace] = [:]
            for (group, state) in directory.groups {
                guard let record = try ReplicaRecord.read(group, directory.database) else { continue }
                places[group] = ReplicaPlace(node: number, serial: record.id.serial)
                var state = state
                state.epoch = ShardEpoch(state.epoch.rawValue + 1)
                batch.put(.state, key: StateKey.group(group), value: state.encoded)
            }
            writeLayout(directory, number, places, nextSerial: directory.catalog.layout.nextSerial, &batch)
            try directory.database.write(batch, sync: true)
        }
    }

    private static func storing<Result>(_ body: () throws(StorageError) -> Result) throws(GrapeError) -> Result {
        do throws(StorageError) {
            return try body()
        } catch {
            throw GrapeError(error)
        }
    }
}

extension DataDirectory {
    /// Looks at a directory and closes it again.
    package static func closing<Result>(
        _ path: String, _ body: (DataDirectory) throws(GrapeError) -> Result
    ) throws(GrapeError) -> Result {
        let directory = try DataDirectory(path)
        defer { try? directory.close() }
        return try body(directory)
    }
}
