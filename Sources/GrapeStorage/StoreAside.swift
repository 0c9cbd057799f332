import Glibc

/// A store that can't be trusted as a whole, put out of the way: its files go to the folder `damaged` beside what else the
/// directory holds, with the reason. It is kept for whoever wants to look at it; nothing here ever reads it again.
package enum StoreAside {
    package static let folder = "damaged"
    private static let reasonFile = "reason"
    /// Written last: a move that was cut off goes on.
    private static let doneFile = "done"
    private static let distrustFile = "distrusted"

    /// Moves the files of the store. Nobody may have it open.
    /// - Throws: also where an earlier store lies there: one after another would fill the disk.
    package static func move(_ path: String, reason: String) throws(StorageError) {
        let target = path + "/" + folder
        try Directory.create(target)
        guard access(target + "/" + doneFile, F_OK) != 0 else {
            throw .corruption(
                .init(path: path), file: nil,
                detail: "an earlier damaged store lies in \(target): remove it when it is not needed any more")
        }
        try write(reason, to: target + "/" + reasonFile)
        // CURRENT last: without it a directory may look new.
        let names = try Directory.names(path).filter(isOfStore).sorted {
            ($0 == "CURRENT" ? 1 : 0, $0) < ($1 == "CURRENT" ? 1 : 0, $1)
        }
        for name in names {
            guard rename(path + "/" + name, target + "/" + name) == 0 else {
                throw .system("rename \(name)", at: .init(path: path))
            }
        }
        unlink(DiskSpace.reservePath(path))
        try sync(target)
        try sync(path)
        try write("", to: target + "/" + doneFile)
        try sync(target)
    }

    /// Notes that the store must not be opened again: it failed while it was in use, in a way that an open does not show.
    package static func distrust(_ path: String, reason: String) { try? write(reason, to: path + "/" + distrustFile) }

    /// Why the store was noted as failed.
    package static func distrusted(_ path: String) -> String? {
        let file = path + "/" + distrustFile
        guard access(file, F_OK) == 0 else { return nil }
        return String(decoding: Directory.head(file, byteCount: 4_096), as: UTF8.self)
    }

    private static func isOfStore(_ name: String) -> Bool {
        if ["CURRENT", "IDENTITY", "synced", "acknowledged", distrustFile].contains(name) { return true }
        return name.hasSuffix(".sst") || name.hasSuffix(".log") || name.hasPrefix("MANIFEST-")
            || name.hasPrefix("OPTIONS-") || name == "LOG" || name.hasPrefix("LOG.old")
    }

    private static func write(_ text: String, to file: String) throws(StorageError) {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open \(file)", at: .init(path: file)) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            throw .system("write \(file)", at: .init(path: file))
        }
    }

    private static func sync(_ folder: String) throws(StorageError) {
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open \(folder)", at: .init(path: folder)) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("fsync \(folder)", at: .init(path: folder)) }
    }
}
