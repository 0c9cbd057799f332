import Dispatch
import GrapeModel
import GrapeStorage

/// Looks at replicas: at the index of a check's entry, or whenever the scrub comes by.
extension Engine {
    /// Damage of this node's replica of a group that is known and not mended.
    package func fault(of group: LogGroup) -> ReplicaFaults.Fault? { faults.find(group, generation(of: group)) }

    /// Something was found wrong with the rows, or the log, that count of a group now.
    @discardableResult
    package func noteFault(_ group: LogGroup, _ detail: String) -> Bool {
        faults.note(group, generation(of: group), detail, logger)
    }

    /// Readings of rows end soon; none begins.
    package func endScans() { scansEnd.store(true, ordering: .relaxed) }

    var isEndingScans: Bool { scansEnd.load(ordering: .relaxed) }

    // MARK: At an entry

    /// The turns in which entries are applied: behind a check one ends, so that what is in the store then is what the check
    /// is about.
    package static func turns(_ entries: [CommittedEntry]) -> [[CommittedEntry]] {
        guard entries.contains(where: \.isCheck) else { return [entries] }
        var turns: [[CommittedEntry]] = [[]]
        for entry in entries {
            turns[turns.count - 1].append(entry)
            if entry.isCheck { turns.append([]) }
        }
        return turns.filter { !$0.isEmpty }
    }

    /// Called in the lane of the entry's group, behind the turn that ended with it.
    func markIfChecked(_ entry: CommittedEntry, _ outcome: ApplyOutcome) {
        guard entry.isCheck, case .shard(let shard) = entry.group, outcome == .checked(entry.index),
            case .command(let bytes) = entry.content, let write = LogEntry(encoded: bytes),
            case .check(let id, let isDeep) = write.command,
            let state = serving.withLock({ $0.groups[entry.group] }), state.applied == entry.index
        else { return }
        do throws(StorageError) {
            var scan: RowScan?
            if isDeep, marks.isAnnounced(id) { scan = try RowScan(shard, state, engine: self) }
            let running: [ExportHeader.Digest]
            if let scan { running = scan.running } else { running = try runningDigests(shard, state.generation) }
            let check = ReplicaCheck(
                index: entry.index, running: ShardDigest(running), disk: scan == nil ? nil : .reading(points: 0))
            marks.note(.init(id: id, generation: state.generation, check: check, scan: scan), shard)
            if let scan { start(scan, id) }
        } catch {
            guard error.isDamage else { return }
            noteFault(entry.group, "\(error)")
            let check = ReplicaCheck(
                index: entry.index, running: ShardDigest(points: 0, hash: 0), disk: .damaged("\(error)"))
            marks.note(.init(id: id, generation: state.generation, check: check, scan: nil), shard)
        }
    }

    private func runningDigests(
        _ shard: ShardID, _ generation: ReplicaGeneration
    ) throws(StorageError) -> [ExportHeader.Digest] {
        try ExportHeader.Digest.all(of: .shard(shard), generation, try database.snapshot(), database)
    }

    /// What a replica here says to a check; nil where its entry is not applied yet.
    package func answer(_ id: UInt64, _ shard: ShardID) -> ReplicaCheck? {
        guard let mark = marks.find(id, shard) else { return nil }
        var check = mark.check
        if let scan = mark.scan, case .reading = check.disk { check.disk = .reading(points: scan.points) }
        check.fault = faults.find(.shard(shard), mark.generation)?.detail
        return check
    }

    private func start(_ scan: RowScan, _ id: UInt64) {
        Self.scans.async { [self] in
            marks.update(id, scan.shard, finish(scan) { _ in !isEndingScans })
        }
    }

    /// One after another: a check reads the whole disk, and others want it too.
    private static let scans = DispatchQueue(label: "grape.scan", qos: .utility)

    // MARK: Reading rows

    /// Reads the rows of a scan, and puts right what the indexes have otherwise.
    func finish(_ scan: RowScan, pace: (Int) -> Bool) -> DiskCheck {
        switch scan.run(pace: pace) {
        case .ended: return .ended
        case .damaged(let detail):
            faults.note(.shard(scan.shard), scan.generation, detail, logger)
            return .damaged(detail)
        case .read(let digest, let suspects):
            let coverage = IndexCoverage(engine: self, shard: scan.shard, generation: scan.generation)
            do throws(ApplyError) {
                let differences = try coverage.check(suspects, isEnding: { isEndingScans })
                if differences > 0 {
                    logger.error(
                        "an index had other points than the rows, which was put right",
                        metadata: ["shard": "\(scan.shard)", "points": "\(differences)"])
                }
                return .read(digest, indexDifferences: differences)
            } catch {
                guard case .storage(let storage) = error, storage.isDamage else { return .ended }
                faults.note(.shard(scan.shard), scan.generation, "\(storage)", logger)
                return .damaged("\(storage)")
            }
        }
    }

    /// Begins to read the rows of a shard as they are now; nil where it is not answered for here.
    func beginScan(_ shard: ShardID) throws(StorageError) -> RowScan? {
        try exclusively([.shard(shard)]) { () throws(StorageError) in
            guard servedShards.contains(shard), let state = serving.withLock({ $0.groups[.shard(shard)] }) else {
                return nil
            }
            return try RowScan(shard, state, engine: self)
        }
    }
}

extension CommittedEntry {
    var isCheck: Bool {
        guard case .command(let bytes) = content, case .shard = group else { return false }
        return LogEntry.isCheck(bytes)
    }
}
