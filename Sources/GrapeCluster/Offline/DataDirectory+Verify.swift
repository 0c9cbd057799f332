import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// What a look at everything in a directory found.
package struct DirectoryReport: Sendable {
    package var rows: UInt64 = 0
    package var points: UInt64 = 0
    package var entries: UInt64 = 0
    package var archives = 0
    package var errors: [String] = []

    package init() {}
}

extension DataDirectory {
    /// Reads every table file, every row of every family, every log entry, every point's hash, every archive. Damage is in
    /// the report.
    /// - Parameter note: hears what is read, and how much of all that is behind, 0 to 1.
    package func verify(note: (String, Double) -> Void) throws(GrapeError) -> DirectoryReport {
        var report = DirectoryReport()
        do throws(StorageError) {
            note("table files", 0)
            for damage in try database.verifyChecksums() {
                report.errors.append("\(path)/\(damage.file): \(damage.detail)")
            }
            for (place, family) in ColumnFamily.allCases.enumerated() {
                note("family \(family.name)", 0.1 + 0.3 * Double(place) / Double(ColumnFamily.allCases.count))
                let check = try database.verifyRows(family)
                report.rows += check.rows
                report.errors += check.damaged.map { "\($0)" }
            }
            note("log", 0.4)
            try verifyLogs(&report)
        } catch {
            guard error.isDamage else { throw GrapeError(error) }
            report.errors.append("\(error)")
        }
        for (place, (group, _)) in groups.enumerated() {
            note("group \(group.number)", 0.5 + 0.4 * Double(place) / Double(max(1, groups.count)))
            try verifyRows(of: group, &report)
        }
        note("archives", 0.9)
        try verifyArchives(&report)
        report.errors = report.errors.reduce(into: []) { known, error in
            if !known.contains(error) { known.append(error) }
        }
        return report
    }

    /// Every entry is there and has a form that this build knows, and the log fits the state beside it.
    private func verifyLogs(_ report: inout DirectoryReport) throws(StorageError) {
        for (group, state) in groups {
            guard let (record, log) = try ReplicaRows.read(group, database) else {
                report.errors.append("\(path): group \(group.number) has a state, but no replica")
                continue
            }
            if record.isLost { report.errors.append("\(path): replica \(record.id.rawValue) has lost its log") }
            guard log.base.index <= log.applied.index, log.applied.index <= log.last.index else {
                report.errors.append(
                    "\(path): the log of group \(group.number) ends at \(log.last.index.rawValue), \(state.applied) is applied"
                )
                continue
            }
            do throws(RaftStorageError) {
                var next = log.base.index.next
                while next <= log.last.index {
                    let entries = try log.entries(from: next, to: log.last.index.next, sizeMax: 1 << 20)
                    guard let last = entries.last else { break }
                    report.entries += UInt64(entries.count)
                    next = last.index.next
                }
            } catch {
                report.errors.append("\(path): the log of group \(group.number) can't be read: \(error)")
            }
        }
    }

    /// An export reads every row of a group and checks every hash and sum; what it writes is dropped.
    private func verifyRows(of group: LogGroup, _ report: inout DirectoryReport) throws(GrapeError) {
        do throws(ExportError) {
            let export = try ShardExport(
                of: group, cluster: clusterBytes, shardCount: shardCount, database: database)
            defer { export.close() }
            while try export.next() != nil {}
            report.points += export.points
        } catch {
            if case .storage(let storage) = error, !storage.isDamage { throw GrapeError(storage) }
            report.errors.append("\(path): group \(group.number): \(error)")
        }
    }

    private func verifyArchives(_ report: inout DirectoryReport) throws(GrapeError) {
        let folder = Folder(path + "/backups")
        do {
            for name in try folder.names() where name.hasSuffix(".tar.gz") {
                report.archives += 1
                let id = String(name.dropLast(7))
                let beside = try? BackupInfo(encoded: folder.read(id + ".json", max: 64 << 20))
                if beside?.id != id {
                    report.errors.append("\(folder.file(id + ".json")): what is known of the archive can't be read")
                }
                report.errors += try ArchiveCheck.run(folder.file(name), id: id, sha256: beside?.sha256).errors
            }
        } catch let error as ArchiveError {
            throw GrapeError(error)
        } catch let error as StorageError {
            throw GrapeError(error)
        } catch {
            throw GrapeError(.internalError, "\(error)")
        }
    }
}
