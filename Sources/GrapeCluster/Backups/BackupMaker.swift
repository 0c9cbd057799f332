import GrapeEngine
import GrapeModel
import GrapeStorage
import Synchronization

/// Makes one archive: exports all groups, each from a node that holds it, and packs them.
///
/// 1. Every group is exported behind a barrier that began after the snapshot was asked for, so what was acknowledged before
///    is in it. The groups are of different moments: like a batch, a snapshot is no cut across shards.
/// 2. The catalog is exported last. A collection counts that took writes before the first export and after the last.
/// 3. Exports lie in the folder of the unfinished archive, which has its name only when all of it is on the disk.
struct BackupMaker: Sendable {
    let id: String
    let createdAt: Timestamp
    let cluster: PointID
    let version: String
    let engine: Engine
    let consensus: Consensus
    let remote: RemoteExports
    let store: BackupStore
    let work: BackupWork
    /// Whether this node answers for a shard.
    let answers: @Sendable (ShardID) -> Bool
    let options: BackupOptions
    /// Hears how far it is, 0 to 1.
    let note: @Sendable (Double) -> Void

    /// Of the work, exports are so much; packing is the rest.
    private static let exportShare = 0.6

    /// -> the archive, not published yet.
    func run() async throws(GrapeError) -> BackupInfo {
        let groups = LogGroup.exported(shardCount: engine.shardCount)
        let own = groups.filter { group in if case .shard(let shard) = group { answers(shard) } else { true } }
        try await consensus.barrier(own, deadline: .now + options.requestTimeout)
        let before = readyCollections
        let (store, id) = (store, id)
        let folder = try await work.run { () throws(ArchiveError) in
            do throws(StorageError) {
                return try store.begin(id)
            } catch {
                throw .storage(error)
            }
        }
        var files: [BackupManifest.File] = []
        for group in groups.dropFirst() + groups.prefix(1) {
            files.append(try await export(group, isFresh: own.contains(group), into: folder))
            note(Self.exportShare * Double(files.count) / Double(groups.count))
        }
        files = files.suffix(1) + files.dropLast()
        let manifest = BackupManifest(
            id: id, cluster: cluster, createdAt: createdAt, version: version, shardCount: engine.shardCount,
            collections: readyCollections.filter(before.contains), files: files)
        return try await pack(manifest, folder)
    }

    private var readyCollections: [CollectionID] {
        engine.catalog.sortedEntries.filter { $0.phase == .ready }.map(\.schema.id)
    }

    /// This node, where it holds the group, else one that does.
    /// - Parameter isFresh: The barrier is behind it; a shard that came to this node since needs one of its own.
    private func export(
        _ group: LogGroup, isFresh: Bool, into folder: Folder
    ) async throws(GrapeError) -> BackupManifest.File {
        let path = folder.file(BackupManifest.File.name(of: group))
        let isOwn = if case .shard(let shard) = group { answers(shard) } else { true }
        guard isOwn else { return try await remote.export(group, to: path, work) }
        if !isFresh { try await consensus.barrier([group], deadline: .now + options.requestTimeout) }
        let (engine, cluster, pace) = (engine, Array(cluster.encoded.dropFirst()), work.pace())
        return try await work.run { () throws(ArchiveError) in
            let export: ShardExport
            do throws(ExportError) {
                export = try ShardExport(
                    of: group, cluster: cluster, shardCount: engine.shardCount, database: engine.database)
            } catch {
                throw .export(file: BackupManifest.File.name(of: group), error)
            }
            return try ExportFile.write(export, to: path, pace: pace)
        }
    }

    private func pack(_ manifest: BackupManifest, _ folder: Folder) async throws(GrapeError) -> BackupInfo {
        let total = manifest.files.reduce(UInt64(1)) { $0 + $1.bytes }
        let packed = PackedBytes()
        let (path, note) = (store.partialPath(id), note)
        let pace = work.pace { bytes in
            note(Self.exportShare + (1 - Self.exportShare) * Double(packed.add(bytes)) / Double(total))
        }
        let (bytes, sha256) = try await work.run { () throws(ArchiveError) in
            let (bytes, sha256) = try ArchiveWriter.write(manifest, exports: folder, to: path, pace: pace)
            return ArchiveFigures(bytes: bytes, sha256: sha256)
        }.both
        var info = BackupInfo(id: id, createdAt: createdAt, keep: BackupOptions.keepDefault)
        info.files = manifest.files
        info.bytes = bytes
        info.sha256 = sha256
        return info
    }
}

private struct ArchiveFigures: Sendable {
    let bytes: UInt64
    let sha256: String
    var both: (UInt64, String) { (bytes, sha256) }
}

final class PackedBytes: Sendable {
    private let bytes = Atomic<UInt64>(0)

    func add(_ count: Int) -> UInt64 { bytes.add(UInt64(count), ordering: .relaxed).newValue }
}
