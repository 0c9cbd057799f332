import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import Logging
import Synchronization

/// Receives snapshots for this node's replicas, a few at a time: writes blocks under generations of their own, and shows
/// consensus what is complete. Requests may come twice and out of order; every answer says where to go on.
///
/// Thread safety: `state` is guarded by its mutex. An import is worked on by whoever has marked it busy, nobody else.
final class IncomingSnapshots: Sendable {
    fileprivate struct Incoming {
        let export: ExportID
        /// The message that the core is to hear in the end.
        var from: ReplicaID
        var term: Term
        let to: ReplicaID
        var isBusy = true
        var held = 0
        var lastUse = ContinuousClock.now
        /// nil while it is being opened.
        var rows: ShardImport?
    }

    fileprivate struct Installed {
        let export: ExportID
        let by: ReplicaID
        let generation: ReplicaGeneration
    }

    fileprivate struct State {
        var incoming: [LogGroup: Incoming] = [:]
        /// What was installed last: its last answer may have been lost.
        var installed: [LogGroup: Installed] = [:]
        var isClosed = false
    }

    private let engine: Engine
    private let cluster: [UInt8]
    private let target: any SnapshotTarget
    private let options: SnapshotOptions
    private let logger: Logger
    private let state = Mutex(State())

    init(
        engine: Engine, cluster: [UInt8], target: any SnapshotTarget, options: SnapshotOptions, logger: Logger
    ) {
        self.engine = engine
        self.cluster = cluster
        self.target = target
        self.options = options
        self.logger = logger
    }

    /// No more is taken. -> whether somebody still works on an import.
    func close() -> Bool {
        state.withLock { state in
            state.isClosed = true
            state.incoming = state.incoming.filter { $0.value.isBusy }
            return !state.incoming.isEmpty
        }
    }

    func answer(_ body: [UInt8], from node: NodeNumber) async -> SnapshotAnswer {
        switch SnapshotRequest(encoded: body) {
        case .begin(let group, let from, let to, let term, let header):
            guard from.node == node else { return .refused("node \(node) does not speak for another one") }
            if let answer = refusal(group, to) { return answer }
            return await begin(group, from, to, term, header)
        case .block(let group, let to, let export, let number, let block):
            if let answer = refusal(group, to) { return answer }
            return await take(group, to, export, Int(number), block)
        case nil: return .refused("a request that this build does not know")
        }
    }

    private func refusal(_ group: LogGroup, _ to: ReplicaID) -> SnapshotAnswer? {
        // The replica may be about to begin here.
        guard let replica = target.replica(of: group) else { return .busy }
        guard replica == to else { return .refused("replica \(to.rawValue) of group \(group.number) is not here") }
        return engine.database.spaceState == .ok ? nil : .busy
    }

    // MARK: Begin

    private func begin(
        _ group: LogGroup, _ from: ReplicaID, _ to: ReplicaID, _ term: Term, _ header: [UInt8]
    ) async -> SnapshotAnswer {
        let export = ExportID(of: header)
        let new = Incoming(export: export, from: from, term: term, to: to)
        let generation = engine.generation(of: group)
        if let answer = state.withLock({ $0.enter(group, new, generation, options) }) { return answer }
        do throws(ExportError) {
            let rows = try await SnapshotThreads.run { [engine, cluster] () throws(ExportError) in
                // First: an import that begins deletes what an earlier one of its group has left.
                let found = try ExportHeader(encoded: header)
                guard found.cluster == cluster, found.group == group else {
                    throw .unwanted("the rows are of another cluster or group")
                }
                return try ShardImport(header, engine: engine)
            }
            return await leave(group, rows)
        } catch {
            return await fail(group, error)
        }
    }

    // MARK: Blocks

    private func take(
        _ group: LogGroup, _ to: ReplicaID, _ export: ExportID, _ number: Int, _ block: [UInt8]
    ) async -> SnapshotAnswer {
        let (taken, answer) = state.withLock { $0.seize(group, to, export, number) }
        guard var rows = taken else { return answer }
        do throws(ExportError) {
            rows = try await SnapshotThreads.run { [rows] () throws(ExportError) in
                var rows = rows
                try rows.take(block)
                return rows
            }
            return await leave(group, rows)
        } catch {
            return await fail(group, error)
        }
    }

    /// The work on an import is done; one that is complete is installed.
    private func leave(_ group: LogGroup, _ rows: ShardImport) async -> SnapshotAnswer {
        guard rows.isComplete else {
            state.withLock { $0.leave(group, rows) }
            return .held(UInt32(rows.held))
        }
        guard let (from, term) = state.withLock({ $0.incoming[group].map { ($0.from, $0.term) } }) else {
            return .unknown
        }
        let image: GroupImage
        do {
            image = try rows.image()
            guard try await target.install(SnapshotImage(image), from: from, term: term) else {
                return await fail(group, .unwanted("the replica has as much already, or can't take it now"))
            }
        } catch let error as ExportError {
            return await fail(group, error)
        } catch {
            state.withLock { $0.leave(group, nil) }
            return .refused("\(error)")
        }
        logger.info(
            "a snapshot was received",
            metadata: [
                "group": "\(group.number)", "points": "\(rows.points)", "index": "\(rows.header.index)",
            ])
        state.withLock { state in
            if let done = state.incoming.removeValue(forKey: group) {
                state.installed[group] = .init(
                    export: done.export, by: done.to, generation: image.state.generation)
            }
        }
        return .installed
    }

    /// What is of no use is thrown away; what may pass is left as it is.
    private func fail(_ group: LogGroup, _ error: ExportError) async -> SnapshotAnswer {
        let rows = state.withLock { $0.incoming[group]?.rows }
        if case .storage(let storage) = error, storage.isNoSpace || storage.isClosing {
            state.withLock { $0.leave(group, nil) }
            return .busy
        }
        logger.warning(
            "a snapshot is not taken", metadata: ["group": "\(group.number)", "reason": "\(error)"])
        await SnapshotThreads.run { try? rows?.discard() }
        state.withLock { $0.incoming[group] = nil }
        return .refused("\(error)")
    }
}

extension StorageError {
    fileprivate var isClosing: Bool {
        if case .closed = self { true } else { false }
    }
}

extension IncomingSnapshots.State {
    /// A sender announces an export. -> an answer, or nil: it has its place, busy, and is to be opened.
    /// - Parameter generation: the one whose rows count.
    fileprivate mutating func enter(
        _ group: LogGroup, _ new: IncomingSnapshots.Incoming, _ generation: ReplicaGeneration,
        _ options: SnapshotOptions
    ) -> SnapshotAnswer? {
        guard !isClosed else { return .busy }
        if let done = installed[group], done.by == new.to {
            if done.export == new.export { return .installed }
            // Its rows are about to be switched to; a new import would take them for leftovers.
            if case .shard = group, generation < done.generation { return .busy }
        }
        if var known = incoming[group] {
            guard known.export != new.export || known.to != new.to else {
                guard !known.isBusy else { return .busy }
                (known.from, known.term, known.lastUse) = (new.from, new.term, .now)
                incoming[group] = known
                return .held(UInt32(known.held))
            }
            guard known.term <= new.term else { return .refused("a later leader's snapshot is on its way") }
            guard !known.isBusy else { return .busy }
            incoming[group] = nil
        }
        // A transfer that is left behind can be taken up again from its rows.
        incoming = incoming.filter { $0.value.isBusy || $0.value.lastUse + options.incomingIdle > .now }
        guard incoming.count < options.incomingMax else { return .busy }
        incoming[group] = new
        return nil
    }

    /// A block has come. -> the import that is to take it, marked busy; else an answer.
    fileprivate mutating func seize(
        _ group: LogGroup, _ to: ReplicaID, _ export: ExportID, _ number: Int
    ) -> (ShardImport?, SnapshotAnswer) {
        if let done = installed[group], done.export == export, done.by == to { return (nil, .installed) }
        guard !isClosed, var known = incoming[group], known.export == export, known.to == to else {
            return (nil, .unknown)
        }
        guard !known.isBusy, let rows = known.rows else { return (nil, .busy) }
        known.lastUse = .now
        known.isBusy = number == known.held
        incoming[group] = known
        return known.isBusy ? (rows, .busy) : (nil, .held(UInt32(known.held)))
    }

    /// - Parameter rows: what the import has become; nil: what it was.
    fileprivate mutating func leave(_ group: LogGroup, _ rows: ShardImport?) {
        guard var known = incoming[group] else { return }
        known.rows = rows ?? known.rows
        known.held = known.rows?.held ?? 0
        known.isBusy = false
        known.lastUse = .now
        // One that could not be opened is begun again.
        incoming[group] = known.rows == nil ? nil : known
    }
}
