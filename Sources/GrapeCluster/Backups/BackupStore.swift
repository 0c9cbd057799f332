import GrapeEngine
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// The archives of one node: `data_dir/backups`.
///
/// | name | what |
/// |---|---|
/// | `ID.tar.gz` | an archive that is complete |
/// | `ID.json` | what is known of it without reading it: `BackupInfo` |
/// | `ID.partial/` | one that is being made or copied; left behind by a crash it is removed at the start |
///
/// An archive gets its name when all of it is on the disk, after the file beside it; so both are there, or it doesn't count.
///
/// Thread safety: `known` is guarded by its mutex; each id has one writer.
package final class BackupStore: Sendable {
    private static let infoBytesMax = 64 << 20
    private static let archive = "archive"

    package let folder: Folder
    private let known = Mutex<[String: BackupInfo]>([:])
    /// Ids that a crash has cut off.
    package let interrupted: [String]

    package init(dataDirectory: String, logger: Logger) throws(GrapeError) {
        folder = Folder(dataDirectory + "/backups")
        var interrupted: [String] = []
        do throws(StorageError) {
            let names = try folder.names()
            for name in names where name.hasSuffix(".partial") || name.hasSuffix(".new") {
                if name.hasSuffix(".partial") { interrupted.append(String(name.dropLast(8))) }
                try folder.remove(name)
            }
            for name in names where name.hasSuffix(".json") && !names.contains(name.dropLast(5) + ".tar.gz") {
                try folder.remove(name)
            }
        } catch {
            throw GrapeError(error)
        }
        self.interrupted = interrupted
        load(logger)
    }

    /// One whose file can't be read doesn't keep the node from its work: it is passed over, and said so.
    private func load(_ logger: Logger) {
        for name in (try? folder.names()) ?? [] where name.hasSuffix(".tar.gz") {
            let id = String(name.dropLast(7))
            do {
                let info = try BackupInfo(encoded: folder.read(id + ".json", max: Self.infoBytesMax))
                guard info.id == id else { throw GrapeError(.damaged, "it is about \(info.id)") }
                known.withLock { $0[id] = info }
            } catch {
                logger.warning(
                    "an archive is passed over: what is known of it can't be read",
                    metadata: ["file": "\(folder.file(id + ".json"))", "error": "\(error)"])
            }
        }
    }

    /// The newest first.
    package var all: [BackupInfo] { known.withLock { $0.values.sorted { $0.id > $1.id } } }

    package func info(_ id: String) -> BackupInfo? { known.withLock { $0[id] } }

    package func path(_ id: String) -> String { folder.file(id + ".tar.gz") }

    /// Of complete archives.
    package var byteCount: UInt64 { known.withLock { $0.keys.reduce(0) { $0 + folder.byteCount($1 + ".tar.gz") } } }

    // MARK: Making one

    /// -> a folder for what an archive is made of.
    func begin(_ id: String) throws(StorageError) -> Folder {
        let partial = Folder(folder.file(id + ".partial"))
        try folder.remove(id + ".partial")
        try partial.create()
        return partial
    }

    /// Where the archive itself is to be written.
    func partialPath(_ id: String) -> String { folder.file(id + ".partial") + "/" + Self.archive }

    /// The archive is on the disk: it counts from now on, also after a crash.
    func publish(_ info: BackupInfo) throws(StorageError) {
        var info = info
        info.state = .written
        info.progress = 1
        info.nodes = []
        try folder.write(info.id + ".json", info.encoded)
        try folder.rename(info.id + ".partial/" + Self.archive, to: info.id + ".tar.gz")
        known.withLock { [info] in $0[info.id] = info }
        try folder.remove(info.id + ".partial")
    }

    /// Throws away what was begun.
    func discard(_ id: String) { try? folder.remove(id + ".partial") }

    package func remove(_ id: String) throws(StorageError) {
        known.withLock { $0[id] = nil }
        try folder.remove(id + ".tar.gz")
        try folder.remove(id + ".json")
        try folder.sync()
    }
}
