import GrapeModel
import GrapeStorage

/// Writes the export of one group to a file, from blocks that come from anywhere. Not synced: it is packed into an archive
/// and removed.
package struct ExportFile: ~Copyable {
    private let header: ExportHeader
    private var file: OutputFile
    private var hash = FileHash()

    package init(_ path: String, header: ExportHeader) throws(ArchiveError) {
        let front = header.encoded
        var file = try archiving { () throws(StorageError) in try OutputFile(path, replacing: true) }
        do throws(StorageError) {
            try file.write(front)
        } catch {
            throw .storage(error)
        }
        hash.add(front)
        self.header = header
        self.file = file
    }

    /// The next block.
    package mutating func add(_ bytes: [UInt8]) throws(ArchiveError) {
        hash.add(bytes)
        do throws(StorageError) {
            try file.write(bytes)
        } catch {
            throw .storage(error)
        }
    }

    /// What the manifest says of it.
    /// - Parameter digest: of what was added.
    package func described(digest: UInt64) -> BackupManifest.File {
        BackupManifest.File(
            group: header.group, index: header.index, term: header.term, points: header.points, digest: digest,
            bytes: file.byteCount, sha256: hash.text)
    }

    /// Writes a group of a store as it is when the export is made.
    package static func write(
        _ export: ShardExport, to path: String, pace: ArchivePace = .none
    ) throws(ArchiveError) -> BackupManifest.File {
        defer { export.close() }
        var file = try ExportFile(path, header: export.header)
        do throws(ExportError) {
            while let block = try export.next() {
                try file.addPaced(block, pace)
            }
        } catch {
            if case .closed = error { throw .stopped }
            throw .export(file: BackupManifest.File.name(of: export.header.group), error)
        }
        return file.described(digest: export.digest)
    }

    /// Any end of the work but a failure of the store becomes `.closed`, which exports have for it.
    private mutating func addPaced(_ block: [UInt8], _ pace: ArchivePace) throws(ExportError) {
        do throws(ArchiveError) {
            try add(block)
            try pace.note(block.count)
        } catch {
            if case .storage(let error) = error { throw .storage(error) }
            throw .closed
        }
    }
}
