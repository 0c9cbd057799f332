import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// One node of a `LoopCluster`: a store loop over a real database; its state machine is the list of what was applied.
final class LoopNode {
    let number: NodeNumber
    let directory: TemporaryDirectory
    private(set) var environment: LoopEnvironment
    private(set) var loop: StoreLoop<LoopEnvironment>
    /// What an engine would hold: applied entries that are commands, and how far each group has come.
    private(set) var applied: [LogGroup: [CommittedEntry]] = [:]
    var states: [LogGroup: GroupState] = [:]
    var holdsSyncs = false
    var holdsApply = false

    /// What it promised to others, as of its last sync.
    private(set) var promises: [LogGroup: Acknowledgement] = [:]
    /// Logs are cut as soon as they can be.
    private let keepsLittle: Bool

    init(_ number: UInt32, keepsLittle: Bool) throws {
        self.number = NodeNumber(number)
        self.keepsLittle = keepsLittle
        directory = try TemporaryDirectory()
        environment = LoopEnvironment(try Self.open(directory.path))
        loop = StoreLoop(Self.settings(number, keepsLittle), environment: environment)
    }

    private static func open(_ path: String) throws -> Database {
        var options = StorageOptions()
        options.cacheBytes = 1 << 20
        options.writeBufferBytes = 1 << 20
        return try Database.open(path: path, options: options)
    }

    private static func settings(_ number: UInt32, _ keepsLittle: Bool) -> StoreLoopSettings {
        var settings = StoreLoopSettings(seed: UInt64(number))
        settings.electionTicks = 10
        settings.heartbeatTicks = 2
        settings.appendEntriesMax = 3
        if keepsLittle {
            settings.keptEntries = 1
            settings.compactionStep = 1
            settings.compactionTicks = 1
            settings.logBytesMax = 1
        }
        return settings
    }

    func replica(_ group: LogGroup) -> ReplicaID { ReplicaID(node: number, serial: UInt32(group.number) + 1) }

    /// Takes up a replica that founds its group, or, without a configuration, one that waits for a leader.
    func create(_ group: LogGroup, _ configuration: ConfState?, isLost: Bool = false) throws {
        var state = GroupState()
        if let configuration {
            state.applied = GrapeModel.LogIndex(1)
            state.appliedTerm = 1
            state.configuration = configuration.encoded
        }
        states[group] = state
        try add(group, isLost: isLost)
    }

    private func add(_ group: LogGroup, isLost: Bool = false) throws {
        let database = environment.database
        guard let state = states[group] else { return }
        let first = EntryID(term: Term(min(1, state.appliedTerm)), index: RaftIndex(min(1, state.applied.rawValue)))
        let base = try database.get(.state, StateKey.logBase(group)).flatMap(EntryID.init(encoded:)) ?? first
        let hardState = try database.get(.state, StateKey.hardState(group)).flatMap(HardState.init(encoded:))
        let store = RaftLogStore(
            group: group, database: database, state: state, base: base,
            hardState: hardState ?? HardState(term: base.term, commit: base.index))
        try store.loadEnd()
        try loop.add(replica(group), store, isLost: isLost)
    }

    /// Ends the process and starts it again on its directory.
    func restart() throws {
        let groups = states.keys.sorted { $0.number < $1.number }
        try environment.database.close()
        environment = LoopEnvironment(try Self.open(directory.path))
        loop = StoreLoop(Self.settings(number.rawValue, keepsLittle), environment: environment)
        for group in groups { try add(group) }
    }

    func status(_ group: LogGroup) -> GroupStatus? {
        loop.status(tickMilliseconds: 1).first { $0.group == group }
    }

    func commands(_ group: LogGroup) -> [[UInt8]] {
        (applied[group] ?? []).compactMap { if case .command(let bytes) = $0.content { bytes } else { nil } }
    }

    // MARK: What the environment owes the loop

    /// Carries out a turn, a sync and the apply works that there are. -> whether there was anything.
    func work() throws -> Bool {
        try loop.turn()
        var hasWorked = false
        if !holdsSyncs, let request = environment.sync {
            environment.sync = nil
            environment.syncs += 1
            promises.merge(request.promises) { $1 }
            for (group, index) in request.drops {
                try environment.database.dropRange(
                    .log, from: logKey(group, 0), to: logKey(group, index.next.rawValue))
            }
            loop.synced(through: request.ticket)
            hasWorked = true
        }
        if !holdsApply, !environment.works.isEmpty {
            let works = environment.works
            environment.works = []
            for work in works { try carryOut(work) }
            hasWorked = true
        }
        try loop.turn()
        return hasWorked
    }

    private func carryOut(_ work: ApplyWork) throws {
        switch work {
        case .entries(let group, let replica, let entries):
            var state = states[group] ?? GroupState()
            var outcomes: [ApplyOutcome] = []
            for entry in entries {
                precondition(entry.index.rawValue == state.applied.rawValue + 1, "a gap in what is applied")
                state.applied = entry.index
                state.appliedTerm = entry.term
                if case .configuration(let bytes) = entry.content { state.configuration = bytes }
                outcomes.append(.upserted(Int(entry.index.rawValue)))
            }
            applied[group, default: []] += entries
            states[group] = state
            loop.applied(group, replica: replica, entries, outcomes)
        case .install(let image, let replica, let hardState):
            var batch = try environment.database.makeBatch()
            let base = EntryID(term: Term(image.state.appliedTerm), index: RaftIndex(image.state.applied.rawValue))
            batch.put(.state, key: StateKey.hardState(image.group), value: hardState.encoded)
            batch.put(.state, key: StateKey.logBase(image.group), value: base.encoded)
            batch.deleteRange(.log, from: logKey(image.group, 0), to: logKey(image.group, .max))
            try environment.database.write(batch)
            states[image.group] = image.state
            loop.installed(image.group, replica: replica)
        }
    }

    /// The rows of a snapshot come with what was applied at the sender.
    func takeRows(_ group: LogGroup, from sender: LoopNode) { applied[group] = sender.applied[group] }

    private func logKey(_ group: LogGroup, _ index: UInt64) -> [UInt8] {
        var key: [UInt8] = []
        key.appendBigEndian(group.number)
        key.appendBigEndian(index)
        return key
    }
}
