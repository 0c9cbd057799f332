import GrapeModel
import GrapeStorage

/// Packs a manifest and the exports that it lists into one `.tar.gz`.
package struct ArchiveWriter: ~Copyable {
    private var file: OutputFile
    private var gzip = GzipWriter()
    private var hash = FileHash()
    private let modifiedAt: UInt64

    /// Writes an archive, which is on the disk on return, and removes the exports.
    /// - Parameter folder: has the exports, under the names that the manifest gives them.
    /// -> its bytes, and their SHA-256 in hex.
    package static func write(
        _ manifest: BackupManifest, exports folder: Folder, to path: String, pace: ArchivePace = .none
    ) throws(ArchiveError) -> (bytes: UInt64, sha256: String) {
        var writer = try ArchiveWriter(path, modifiedAt: UInt64(max(0, manifest.createdAt.seconds)))
        let encoded = manifest.encoded
        try writer.begin(BackupManifest.name, byteCount: UInt64(encoded.count))
        try writer.add(encoded)
        try writer.add([UInt8](repeating: 0, count: TarHeader.padding(UInt64(encoded.count))))
        for file in manifest.files {
            try writer.add(file, from: folder, pace)
            try archiving { () throws(StorageError) in try folder.remove(file.name) }
        }
        return try writer.finish()
    }

    private init(_ path: String, modifiedAt: UInt64) throws(ArchiveError) {
        self.modifiedAt = modifiedAt
        file = try archiving { () throws(StorageError) in try OutputFile(path, replacing: true) }
    }

    private mutating func begin(_ name: String, byteCount: UInt64) throws(ArchiveError) {
        try add(TarHeader(name: name, byteCount: byteCount, modifiedAt: modifiedAt).encoded)
    }

    private mutating func add(
        _ export: BackupManifest.File, from folder: Folder, _ pace: ArchivePace
    ) throws(ArchiveError) {
        var input = try archiving { () throws(StorageError) in try InputFile(folder.file(export.name)) }
        guard input.byteCount == export.bytes else {
            throw .damaged(file: export.name, "it has \(input.byteCount) bytes, \(export.bytes) were written")
        }
        try begin(export.name, byteCount: export.bytes)
        while true {
            let bytes = try archiving { () throws(StorageError) in try input.read(max: 1 << 20) }
            if bytes.isEmpty { break }
            try add(bytes)
            try pace.note(bytes.count)
        }
        try add([UInt8](repeating: 0, count: TarHeader.padding(export.bytes)))
    }

    private mutating func add(_ bytes: [UInt8]) throws(ArchiveError) {
        try write(gzip.compress(bytes))
    }

    private mutating func finish() throws(ArchiveError) -> (bytes: UInt64, sha256: String) {
        try add(TarHeader.end)
        try write(gzip.finish())
        do throws(StorageError) {
            try file.sync()
        } catch {
            throw .storage(error)
        }
        return (file.byteCount, hash.text)
    }

    private mutating func write(_ bytes: [UInt8]) throws(ArchiveError) {
        hash.add(bytes)
        do throws(StorageError) {
            try file.write(bytes)
        } catch {
            throw .storage(error)
        }
    }
}
