import GrapeEngine
import GrapeModel
import GrapeStorage

/// Re-reads an archive: its SHA-256, every file in it, every record.
package enum ArchiveCheck {
    /// Damage is in the report; what is thrown kept it from being looked for.
    /// - Parameter sha256: what the archive's SHA-256 is to be, in hex; nil: nobody knows.
    package static func run(
        _ path: String, id: String, sha256: String? = nil, pace: ArchivePace = .none,
        progress: (Double) -> Void = { _ in }
    ) throws(ArchiveError) -> BackupReport {
        var report = BackupReport(id: id)
        do throws(ArchiveError) {
            if let sha256, try FileHash.of(path, pace: pace) != sha256 {
                report.errors.append("\(path): its SHA-256 is not the one with which it was written")
            }
            try read(path, &report, pace, progress)
        } catch {
            guard error.isDamage else { throw error }
            report.errors.append("\(path): \(error)")
        }
        return report
    }

    private static func read(
        _ path: String, _ report: inout BackupReport, _ pace: ArchivePace, _ progress: (Double) -> Void
    ) throws(ArchiveError) {
        var reader = try ArchiveReader(path)
        // The manifest.
        report.files += 1
        while let item = try reader.read() {
            switch item {
            case .began: break
            case .records(let records):
                for case .point in records { report.points += 1 }
                try pace.note(1 << 20)
                progress(reader.progress)
            case .ended: report.files += 1
            }
        }
    }
}
