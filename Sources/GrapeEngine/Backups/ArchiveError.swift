import GrapeModel
import GrapeStorage

/// Why an archive was not written, or not read.
package enum ArchiveError: Error, Sendable, Equatable, CustomStringConvertible {
    case storage(StorageError)
    /// The bytes contradict their checksums, their form or each other; the file of the archive, where it is one file's.
    case damaged(file: String?, String)
    /// Written by a later build, in a form that this one does not know.
    case newer(version: Int)
    /// Rows could not be exported, or an export in the archive can't be read.
    case export(file: String, ExportError)
    /// Whoever wanted it does not any more.
    case stopped

    package var description: String {
        switch self {
        case .storage(let error): "\(error)"
        case .damaged(let file?, let detail): "the archive is damaged: \(file): \(detail)"
        case .damaged(nil, let detail): "the archive is damaged: \(detail)"
        case .newer(let version):
            "the archive has format \(version), this build knows formats up to \(BackupManifest.format)"
        case .export(let file, let error): "\(file): \(error)"
        case .stopped: "it was stopped"
        }
    }

    /// Stored data can't be trusted, or can't be understood.
    package var isDamage: Bool {
        switch self {
        case .damaged, .newer: true
        case .storage(let error), .export(_, .storage(let error)): error.isDamage
        case .export: true
        case .stopped: false
        }
    }
}

extension GrapeError {
    package init(_ error: ArchiveError) {
        switch error {
        case .storage(let error), .export(_, .storage(let error)): self.init(error)
        case .damaged, .newer, .export: self.init(.damaged, "\(error)")
        case .stopped: self.init(.unavailable, "the node is shutting down", retryAfterSeconds: 5)
        }
    }
}
