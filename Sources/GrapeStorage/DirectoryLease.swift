import Glibc
import Synchronization

/// Keeps one process from opening a directory twice, and tells whether another process has it, before anything in it
/// is read.
///
/// RocksDB's own lock on `LOCK` is taken by `open` and stays the one that counts. It is a record lock, which any close
/// of the file by the same process drops, so this type looks at it only while this process has no database there.
final class DirectoryLease: Sendable {
    private static let held = Mutex<Set<String>>([])

    private let directory: String
    private let isHeld = Atomic<Bool>(true)

    /// `sharing`: to look only, beside others that look; still not beside one that writes.
    init(path: String, sharing: Bool) throws(StorageError) {
        guard let resolved = realpath(path, nil) else { throw .system("realpath", at: .init(path: path)) }
        defer { Glibc.free(resolved) }
        directory = String(cString: resolved)
        let isNew = Self.held.withLock { sharing ? !$0.contains(directory) : $0.insert(directory).inserted }
        guard isNew else {
            isHeld.store(false, ordering: .relaxed)
            throw .inUse(path: path)
        }
        if sharing { isHeld.store(false, ordering: .relaxed) }
        if Self.isLockedElsewhere(path + "/LOCK") {
            release()
            throw .inUse(path: path)
        }
    }

    deinit { release() }

    func release() {
        guard isHeld.exchange(false, ordering: .acquiringAndReleasing) else { return }
        _ = Self.held.withLock { $0.remove(directory) }
    }

    private static func isLockedElsewhere(_ file: String) -> Bool {
        let descriptor = Glibc.open(file, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        var record = flock()
        record.l_type = Int16(F_WRLCK)
        record.l_whence = Int16(SEEK_SET)
        return fcntl(descriptor, F_GETLK, &record) == 0 && record.l_type != Int16(F_UNLCK)
    }
}
