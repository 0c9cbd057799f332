import Glibc

/// A file that is read: on from where it stands, or anywhere.
package struct InputFile: ~Copyable, Sendable {
    private let descriptor: Int32
    package let path: String
    /// As it was when the file was opened.
    package let byteCount: UInt64
    package private(set) var position: UInt64 = 0

    package init(_ path: String) throws(StorageError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", at: .init(path: path)) }
        var info = stat()
        let failure: StorageError? =
            fstat(descriptor, &info) != 0
            ? .system("fstat", at: .init(path: path))
            : info.st_mode & S_IFMT != S_IFREG ? .io(.init(path: path), detail: "it is no file") : nil
        if let failure {
            Glibc.close(descriptor)
            throw failure
        }
        self.descriptor = descriptor
        self.path = path
        byteCount = UInt64(max(0, info.st_size))
    }

    deinit { Glibc.close(descriptor) }

    /// -> the next bytes, fewer than `max` only at the end.
    package mutating func read(max: Int) throws(StorageError) -> [UInt8] {
        let bytes = try read(max: max, at: position)
        position += UInt64(bytes.count)
        return bytes
    }

    package borrowing func read(max: Int, at offset: UInt64) throws(StorageError) -> [UInt8] {
        var failure: StorageError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max) { target, count in
            while count < max {
                let room = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(target)[count...])
                let got = pread(descriptor, room.baseAddress, room.count, off_t(offset) + off_t(count))
                if got == 0 { return }
                if got < 0 {
                    if errno == EINTR { continue }
                    failure = .system("read", at: .init(path: path))
                    return
                }
                count += got
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
