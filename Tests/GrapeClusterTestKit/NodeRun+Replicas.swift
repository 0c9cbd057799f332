import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// Replicas come and go, as `Consensus` lets them.
extension NodeRun {
    func takeUp(_ group: LogGroup) throws(StorageError) {
        guard let (record, log) = try ReplicaRows.read(group, database) else { return }
        let isLost = isLost(record, log)
        if isLost { log.restart(at: log.applied, hardState: HardState(), confState: log.confState) }
        do throws(RaftError) {
            try loop.add(record.id, log, isLost: isLost)
        } catch {
            throw .corruption(.init(path: Self.path), file: nil, detail: "group \(group.number): \(error)")
        }
    }

    /// As `Consensus` decides it. Only a disk that forgets makes it so.
    private func isLost(_ record: ReplicaRecord, _ log: RaftLogStore) -> Bool {
        guard ReplicaRows.isLost(record, log, promised: node.promises[log.group]),
            world.options.plantedBug != .promisesIgnored
        else { return false }
        world.coverage.count(.replicasLost)
        if !node.hasLostLog {
            world.note(.commitNotDurable, "node \(number) lost what its replica of group \(log.group.number) promised")
        }
        return true
    }

    /// Planted.
    func forgetVote(_ group: LogGroup) throws(StorageError) {
        guard let bytes = try database.get(.state, StateKey.hardState(group)), var state = HardState(encoded: bytes)
        else {
            return
        }
        state.vote = .none
        var batch = try database.makeBatch()
        batch.put(.state, key: StateKey.hardState(group), value: state.encoded)
        try database.write(batch, sync: true)
    }

    /// Makes the replicas with which this node founds the cluster, and the catalog that all founders begin with.
    func found(_ layout: ClusterLayout, _ foundings: [(LogGroup, ReplicaID, ConfState)]) throws(StorageError) {
        var batch = try database.makeBatch()
        var states: [LogGroup: GroupState] = [:]
        for (group, replica, confState) in foundings {
            let state = try engine.newGroupState(
                group, applied: GrapeModel.LogIndex(ReplicaRows.founding.index.rawValue),
                term: ReplicaRows.founding.term.rawValue, configuration: confState.encoded)
            states[group] = state
            ReplicaRows.begin(group, replica, state, base: ReplicaRows.founding, into: &batch)
        }
        batch.put(.catalog, key: CatalogKey.layout, value: layout.encoded)
        try database.write(batch, sync: true)
        try hold(states)
    }

    /// Makes the replica of the catalog with which this node comes into a cluster, and what it was told of the others.
    func join(_ layout: ClusterLayout, as replica: ReplicaID) throws(StorageError) {
        world.coverage.count(.replicasCreated)
        let state = try engine.newGroupState(.catalog, applied: GrapeModel.LogIndex(0), term: 0, configuration: [])
        var batch = try database.makeBatch()
        ReplicaRows.begin(.catalog, replica, state, base: EntryID(term: .zero, index: .zero), into: &batch)
        batch.put(.catalog, key: CatalogKey.layout, value: layout.encoded)
        try database.write(batch, sync: true)
        try hold([.catalog: state])
    }

    private func hold(_ states: [LogGroup: GroupState]) throws(StorageError) {
        engine.hold(states)
        if let state = states[.catalog] {
            let catalog = try CatalogState.read(database)
            do throws(GrapeError) {
                try engine.replaceCatalog(catalog, state)
            } catch {
                world.note(.storage, "\(error)")
            }
        }
        for group in LogGroup.all(shardCount: world.options.shards) where states[group] != nil { try takeUp(group) }
    }

    /// An empty replica, which waits for its group's leader.
    func createReplica(_ replica: ReplicaID, of group: LogGroup) throws(StorageError) {
        guard loop.driver(group) == nil else { return }
        world.coverage.count(.replicasCreated)
        let state = try engine.newGroupState(group, applied: GrapeModel.LogIndex(0), term: 0, configuration: [])
        try onStorage(.crashesAtReplicaChange) { () throws(StorageError) in
            var batch = try database.makeBatch()
            ReplicaRows.begin(group, replica, state, base: EntryID(term: .zero, index: .zero), into: &batch)
            try database.write(batch, sync: true)
        }
        engine.hold([group: state], areEmpty: true)
        try takeUp(group)
    }

    /// Behind the works that were handed out, as the thread of apply does it; and, as it does, again while the disk is full.
    func dropReplica(of group: LogGroup) throws(StorageError) {
        world.coverage.count(.replicasDropped)
        loop.remove(group)
        works.removeAll { $0.group == group }
        dropping.append(group)
        if world.options.fullDiskRate > 0, world.diskRandom.below(4) == 0 { fillDisk() }
        try goOnDropping()
    }

    func goOnDropping() throws(StorageError) {
        while let group = dropping.first {
            do throws(StorageError) {
                try onStorage(.crashesAtReplicaChange) { () throws(StorageError) in
                    var batch = try database.makeBatch()
                    ReplicaRows.end(group, into: &batch)
                    try database.write(batch, sync: true)
                }
            } catch {
                guard error.isWriteStop else { throw error }
                return world.coverage.count(.dropsDelayed)
            }
            do throws(GrapeError) {
                try engine.release(group)
            } catch {
                guard error.code != .diskFull else { return world.coverage.count(.dropsDelayed) }
                world.note(.storage, "node \(number): \(error)")
            }
            dropping.removeFirst()
        }
    }
}
