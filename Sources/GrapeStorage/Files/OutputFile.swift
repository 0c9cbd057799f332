import Glibc

/// A new file that is written from its beginning to its end.
package struct OutputFile: ~Copyable, Sendable {
    private let descriptor: Int32
    package let path: String
    package private(set) var byteCount: UInt64 = 0

    /// Makes the file; one that is there is an error unless it is to be `replaced`.
    package init(_ path: String, replacing: Bool = false) throws(StorageError) {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (replacing ? O_TRUNC : O_EXCL)
        let descriptor = Glibc.open(path, flags, 0o600)
        guard descriptor >= 0 else { throw .system("open", at: .init(path: path)) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { Glibc.close(descriptor) }

    package mutating func write(_ bytes: [UInt8]) throws(StorageError) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("write", at: .init(path: path))
            }
            done += count
        }
        byteCount += UInt64(bytes.count)
    }

    /// Returns when all that was written is on the disk.
    package borrowing func sync() throws(StorageError) {
        guard fsync(descriptor) == 0 else { throw .system("fsync", at: .init(path: path)) }
    }
}
