import GrapeEngine
import GrapeModel
import GrapeStorage

extension DataDirectory {
    /// Writes an archive of what the directory has applied. It must hold all shards.
    /// - Parameter note: hears how far it is, 0 to 1.
    package func backup(
        to output: String, version: String, note: @escaping @Sendable (Double) -> Void
    ) throws(GrapeError) -> BackupInfo {
        guard heldShards.count == shardCount, groups.contains(where: { $0.group == .catalog }) else {
            throw GrapeError(
                .cannotStart,
                "\(path) holds \(heldShards.count) of \(shardCount) shards: back up the running cluster by --endpoint")
        }
        let now = ProcessStatistics.millisecondsSince1970
        var info = BackupInfo(
            id: BackupInfo.newID(milliseconds: now, node: record.number ?? NodeNumber(0)),
            createdAt: Timestamp(millisecondsSince1970: now), keep: BackupOptions.keepDefault)
        let folder = Folder(output + ".partial")
        do throws(ArchiveError) {
            defer { try? Folder.removeTree(folder.path) }
            (info.bytes, info.sha256, info.files) = try write(info, folder, output, version, note)
        } catch {
            throw GrapeError(error)
        }
        info.state = .written
        return info
    }

    private func write(
        _ info: BackupInfo, _ folder: Folder, _ output: String, _ version: String,
        _ note: @escaping @Sendable (Double) -> Void
    ) throws(ArchiveError) -> (UInt64, String, [BackupManifest.File]) {
        try Self.storing { () throws(StorageError) in
            try Folder.removeTree(folder.path)
            try folder.create()
        }
        var files: [BackupManifest.File] = []
        for group in LogGroup.exported(shardCount: shardCount) {
            files.append(try export(group, folder))
            note(0.6 * Double(files.count) / Double(shardCount + 1))
        }
        let manifest = BackupManifest(
            id: info.id, cluster: clusterID, createdAt: info.createdAt, version: version, shardCount: shardCount,
            collections: catalog.sortedEntries.filter { $0.phase == .ready }.map(\.schema.id), files: files)
        let total = files.reduce(UInt64(1)) { $0 + $1.bytes }
        let packed = PackedBytes()
        let pace = ArchivePace { (bytes) throws(ArchiveError) in
            note(0.6 + 0.4 * Double(packed.add(bytes)) / Double(total))
        }
        let (bytes, sha256) = try ArchiveWriter.write(
            manifest, exports: folder, to: folder.file("archive"), pace: pace)
        try Self.storing { () throws(StorageError) in try folder.moveOut("archive", to: output) }
        return (bytes, sha256, files)
    }

    private func export(_ group: LogGroup, _ folder: Folder) throws(ArchiveError) -> BackupManifest.File {
        let name = BackupManifest.File.name(of: group)
        let export: ShardExport
        do throws(ExportError) {
            export = try ShardExport(of: group, cluster: clusterBytes, shardCount: shardCount, database: database)
        } catch {
            throw .export(file: name, error)
        }
        return try ExportFile.write(export, to: folder.file(name))
    }

    private static func storing(_ body: () throws(StorageError) -> Void) throws(ArchiveError) {
        do throws(StorageError) {
            try body()
        } catch {
            throw .storage(error)
        }
    }
}
