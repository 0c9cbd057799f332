import GrapeEngine
import GrapeModel
import GrapeStorage

/// What operators ask, of any node.
extension BackupService {
    /// Begins a snapshot on the node that leads the catalog.
    package func create(keep: Int) async throws(GrapeError) -> BackupInfo {
        guard let leader = consensus.leader(of: .catalog) ?? cluster.leaderHint(.catalog) else {
            throw GrapeError(.unavailable, "the catalog has no leader that this node knows", retryAfterSeconds: 1)
        }
        guard leader != node else { return try start(keep: keep) }
        guard case .info(let info) = try await ask(.start(keep: keep), leader) else {
            throw GrapeError(.unavailable, "node \(leader) did not begin a snapshot", retryAfterSeconds: 1)
        }
        return info
    }

    /// The snapshot when it has come to its end, or as it is at the deadline.
    package func wait(
        _ info: BackupInfo, until deadline: ContinuousClock.Instant
    ) async throws(GrapeError) -> BackupInfo {
        var info = info
        while info.state == .running, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(ownInfo(info.id) == nil ? 250 : 20))
            // The node that makes it may be away for a moment.
            if let next = try? await self.info(info.id) { info = next }
        }
        return info
    }

    /// A snapshot, wherever it is known.
    package func info(_ id: String) async throws(GrapeError) -> BackupInfo {
        guard BackupManifest.isValid(id: id) else {
            throw GrapeError(.notFound, "there is no snapshot \(id.prefix(64))")
        }
        if let own = ownInfo(id), own.state != .written || own.nodes.count > 1 { return own }
        var found = ownInfo(id)
        var isComplete = true
        for member in others() {
            switch try? await ask(.info(id), member.number) {
            case .info(let info): found = found.map { $0.merged(with: info) } ?? info
            case .unknown: break
            default: isComplete = false
            }
        }
        if let found { return found }
        guard isComplete, others().count + 1 >= engine.catalog.layout.members.count else {
            throw GrapeError(
                .unavailable, "no node that can be reached knows snapshot \(id.prefix(64))", retryAfterSeconds: 1)
        }
        throw GrapeError(.notFound, "there is no snapshot \(id.prefix(64))")
    }

    /// What this node knows of a snapshot.
    func ownInfo(_ id: String) -> BackupInfo? {
        if let tried = state.withLock({ $0.tried.last { $0.id == id } }), tried.state != .written { return tried }
        guard var info = store.info(id) else { return nil }
        info.nodes = [nodeOptions.nodeID]
        return info
    }

    /// The newest archive on any node that can be reached, and who has it, this node first.
    package func latest() async throws(GrapeError) -> (info: BackupInfo, holders: [Member?]) {
        let archives = await archives()
        guard let newest = archives.flatMap(\.infos).max(by: { $0.id < $1.id }) else {
            throw GrapeError(.notFound, "no snapshot was made: POST /cluster/snapshot makes one")
        }
        let holders = archives.filter { $0.infos.contains { $0.id == newest.id } }
        var info = newest
        info.nodes = holders.map(\.nodeID)
        return (info, holders.map(\.member))
    }

    /// A piece of an archive, from this node or from another one that has it.
    package func piece(
        of info: BackupInfo, at offset: UInt64, from holders: [Member?]
    ) async throws(GrapeError) -> [UInt8] {
        var last = GrapeError(.notFound, "archive \(info.id) is gone")
        for holder in holders {
            do throws(GrapeError) {
                guard let holder else { return try await piece(info.id, at: offset) }
                guard case .bytes(let piece) = try await ask(.read(info.id, offset: offset), holder.number) else {
                    continue
                }
                return piece
            } catch {
                last = error
            }
        }
        throw last
    }

    // MARK: Re-reading

    /// Re-reads all copies of the newest archive: every file, its checksum, every record.
    package func verify() async throws(GrapeError) -> BackupReport {
        let (info, holders) = try await latest()
        var report = BackupReport(id: info.id)
        for holder in holders {
            let nodeID = holder?.nodeID ?? nodeOptions.nodeID
            do throws(GrapeError) {
                let one: BackupReport
                if let holder {
                    let answer = try await ask(.verify(info.id), holder.number, timeout: options.longRequestTimeout)
                    guard case .report(let read) = answer else { continue }
                    one = read
                } else {
                    one = try await verifyHere(info.id)
                }
                report.files += one.files
                report.points = max(report.points, one.points)
                report.errors += one.errors.map { "\(nodeID): \($0)" }
                report.nodes.append(nodeID)
            } catch {
                report.errors.append("\(nodeID): \(error.message)")
            }
        }
        return report
    }

    func verifyHere(_ id: String) async throws(GrapeError) -> BackupReport {
        guard let info = store.info(id) else {
            throw GrapeError(.notFound, "node \(nodeOptions.nodeID) has no archive \(id)")
        }
        let (path, pace) = (store.path(id), work.pace())
        return try await work.run { () throws(ArchiveError) in
            try ArchiveCheck.run(path, id: id, sha256: info.sha256, pace: pace)
        }
    }
}

extension BackupInfo {
    /// What two nodes know of one snapshot: where it is complete it is complete, and both may have a copy.
    fileprivate func merged(with other: BackupInfo) -> BackupInfo {
        var merged = other.state == .running || state != .written ? other : self
        if merged.state == .written { merged.nodes = (nodes + other.nodes).sorted() }
        return merged
    }
}
