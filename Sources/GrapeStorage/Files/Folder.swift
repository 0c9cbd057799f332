import Glibc

/// A directory of files that Grape writes beside its database.
package struct Folder: Sendable, Hashable {
    package let path: String

    package init(_ path: String) { self.path = path }

    package func file(_ name: String) -> String { path + "/" + name }

    /// Makes it, and what is missing above it.
    package func create() throws(StorageError) { try Directory.create(path) }

    package var exists: Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in it, sorted; none where it isn't there.
    package func names() throws(StorageError) -> [String] { exists ? try Directory.names(path) : [] }

    package func byteCount(_ name: String) -> UInt64 { Directory.byteCount(file(name)) }

    /// All of a small file.
    package func read(_ name: String, max: Int) throws(StorageError) -> [UInt8] {
        var input = try InputFile(file(name))
        return try input.read(max: max)
    }

    /// Writes a small file, which is on the disk on return, whole or not at all.
    package func write(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        var output = try OutputFile(file(name + ".new"), replacing: true)
        try output.write(bytes)
        try output.sync()
        try rename(name + ".new", to: name)
    }

    /// Gives a file its name; that lasts on return.
    package func rename(_ name: String, to other: String) throws(StorageError) {
        guard Glibc.rename(file(name), file(other)) == 0 else { throw .system("rename", at: .init(path: file(name))) }
        try sync()
    }

    /// Returns when the names in it are on the disk.
    package func sync() throws(StorageError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", at: .init(path: path)) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("fsync", at: .init(path: path)) }
    }

    /// Removes a file, or a folder with the files in it. Nothing to remove is no error.
    package func remove(_ name: String) throws(StorageError) {
        let folder = Folder(file(name))
        if folder.exists {
            for name in try folder.names() { try folder.remove(name) }
            guard rmdir(folder.path) == 0 else { throw .system("rmdir", at: .init(path: folder.path)) }
        } else if unlink(file(name)) != 0, errno != ENOENT {
            throw .system("unlink", at: .init(path: file(name)))
        }
    }

    package func freeBytes() throws(StorageError) -> UInt64 { try DiskSpace.freeBytes(path) }
}

extension Folder {
    /// Gives a file its name elsewhere on the same disk; that lasts on return.
    package func moveOut(_ name: String, to target: String) throws(StorageError) {
        guard Glibc.rename(file(name), target) == 0 else { throw .system("rename", at: .init(path: target)) }
        try Folder(Self.parent(of: target)).sync()
    }

    /// Removes a folder with what is in it.
    package static func removeTree(_ path: String) throws(StorageError) {
        let folder = Folder(path)
        guard folder.exists else { return }
        for name in try folder.names() {
            if Folder(folder.file(name)).exists {
                try removeTree(folder.file(name))
            } else {
                try folder.remove(name)
            }
        }
        guard rmdir(path) == 0 else { throw .system("rmdir", at: .init(path: path)) }
    }

    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
