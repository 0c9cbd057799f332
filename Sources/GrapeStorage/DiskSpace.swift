import Glibc
import Synchronization

/// How much the disk still takes.
package enum SpaceState: UInt8, Sendable, Comparable {
    case ok
    /// Users' writes are refused; deletes, votes and log compaction go on.
    case almostFull
    /// Even those may fail.
    case full

    package static func < (left: SpaceState, right: SpaceState) -> Bool { left.rawValue < right.rawValue }
}

/// The disk's free space, its thresholds, and the reserve: a file of allocated blocks that is deleted when nothing
/// else is left, so that deletes, votes and the flush that resuming takes still find room, and made again when there
/// is plenty.
///
/// Thread safety: `state` is atomic; everything else is guarded by the lock, which is held over system calls.
package final class DiskSpace: Sendable {
    private let site: StorageError.Site
    private let reserveFile: String
    private let reserveBytes: UInt64
    /// Below: almost full. A quarter above it: ok again, so that the answer does not flicker.
    let almostFullBytes: UInt64
    /// Below: full, or what a reserve is needed for.
    let fullBytes: UInt64
    private let isReadOnly: Bool
    /// Takes the disk's place.
    private let memory: MemoryFileSystem?
    private let current = Atomic<UInt8>(SpaceState.ok.rawValue)
    private let unflushed = Atomic<UInt64>(0)
    /// Held while the reserve is made or deleted.
    private let reserve = Mutex(())

    init(path: String, options: StorageOptions) {
        site = StorageError.Site(path: path)
        reserveFile = Self.reservePath(path)
        isReadOnly = options.readOnly
        memory = options.fileSystem
        var info = statvfs()
        let disk = statvfs(path, &info) == 0 ? UInt64(info.f_blocks) * UInt64(info.f_frsize) : .max
        reserveBytes = min(UInt64(max(0, options.reserveBytes)), disk / 32)
        almostFullBytes = min(UInt64(max(0, options.almostFullBytes)), disk / 8)
        fullBytes = min(8 << 20, almostFullBytes / 8)
    }

    static func reservePath(_ path: String) -> String { path + "/reserve" }

    var state: SpaceState { SpaceState(rawValue: current.load(ordering: .relaxed)) ?? .full }

    /// Bytes that this process may still write.
    func freeBytes() throws(StorageError) -> UInt64 {
        if let memory { return memory.freeBytes }
        return try Self.freeBytes(site.path)
    }

    static func freeBytes(_ path: String) throws(StorageError) -> UInt64 {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { throw .system("statvfs", at: .init(path: path)) }
        return UInt64(info.f_bavail) * UInt64(info.f_frsize)
    }

    /// What memtables hold, at most: as of the last count, and what was written since.
    var unflushedBytes: UInt64 { unflushed.load(ordering: .relaxed) }

    func noteUnflushed(_ bytes: UInt64) { unflushed.store(bytes, ordering: .relaxed) }

    func noteWrite(_ bytes: UInt64) { unflushed.add(bytes, ordering: .relaxed) }

    func writeFailedForSpace() { current.store(SpaceState.full.rawValue, ordering: .relaxed) }

    @discardableResult
    func releaseReserve() -> Bool {
        reserve.withLock { _ in unlink(reserveFile) == 0 }
    }

    /// Decides the state anew from what is free, what memtables still have to write, and whether a file waits for space.
    func update(free: UInt64, unflushed: UInt64, isWaiting: Bool) -> SpaceState {
        let next = Self.next(
            from: state, free: free, unflushed: unflushed, isWaiting: isWaiting,
            almostFullBytes: almostFullBytes,
            fullBytes: fullBytes)
        if next == .ok { restoreReserve(free: free - min(free, unflushed)) }
        current.store(next.rawValue, ordering: .relaxed)
        return next
    }

    /// 1. A file that waits for space means a full disk. 2. So is next to no space. 3. Ok needs a quarter more than almost full did, and
    /// room for the memtables.
    package static func next(
        from state: SpaceState, free: UInt64, unflushed: UInt64, isWaiting: Bool, almostFullBytes: UInt64,
        fullBytes: UInt64
    ) -> SpaceState {
        if isWaiting || free < fullBytes { return .full }
        let okBytes = state == .ok ? almostFullBytes : almostFullBytes + almostFullBytes / 4
        return free < okBytes + unflushed ? .almostFull : .ok
    }

    private func restoreReserve(free: UInt64) {
        reserve.withLock { _ in
            guard !isReadOnly, memory == nil, reserveBytes > 0, free >= almostFullBytes * 5 / 4 + reserveBytes,
                Directory.byteCount(reserveFile) == 0
            else { return }
            let descriptor = Glibc.open(reserveFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { return }
            defer { Glibc.close(descriptor) }
            if posix_fallocate(descriptor, 0, off_t(clamping: reserveBytes)) != 0 { unlink(reserveFile) }
        }
    }
}
