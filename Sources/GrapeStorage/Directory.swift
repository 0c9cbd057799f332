import Glibc

/// The few file system calls that storage makes by itself.
enum Directory {
    /// Creates `path` and what is missing above it.
    static func create(_ path: String) throws(StorageError) {
        var partial = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            partial += "/" + part
            if mkdir(partial, 0o755) != 0 && errno != EEXIST {
                throw .system("mkdir \(partial)", at: .init(path: path))
            }
        }
    }

    static func names(_ path: String) throws(StorageError) -> [String] {
        guard let stream = opendir(path) else { throw .system("opendir", at: .init(path: path)) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func byteCount(_ file: String) -> UInt64 {
        var info = stat()
        return stat(file, &info) == 0 ? UInt64(max(0, info.st_size)) : 0
    }

    /// The first bytes of a file; none if it cannot be read.
    static func head(_ file: String, byteCount: Int) -> [UInt8] {
        let descriptor = Glibc.open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        let count = read(descriptor, &bytes, byteCount)
        return Array(bytes.prefix(max(0, count)))
    }

    /// The numbers of RocksDB's write-ahead log files, ascending.
    static func logNumbers(_ path: String) throws(StorageError) -> [UInt64] {
        try names(path).filter { $0.hasSuffix(".log") }.compactMap { UInt64($0.dropLast(4)) }.sorted()
    }

    static func logName(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".log"
    }
}
