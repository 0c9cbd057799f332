import CRocksDB
import CRocksDBExtras
import Glibc

extension Database {
    /// The error that shuts writes off, if any. One atomic load when there is none.
    package var backgroundError: StorageError? {
        guard (try? enter()) != nil else { return nil }
        defer { leave() }
        return backgroundErrorWhileEntered
    }

    private var backgroundErrorWhileEntered: StorageError? {
        guard grape_monitor_has_error(handles.settings.monitor) != 0 else { return nil }
        let capacity = 1024
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer -> String? in
            guard let start = buffer.baseAddress,
                grape_monitor_copy_error(handles.settings.monitor, start, capacity) != 0
            else { return nil }
            return String(cString: start)
        }
        return text.map { StorageError.classify($0, at: .init(path: path)) }
    }

    /// Reopens writes after a background error whose cause is gone; nothing to do if there is none. It writes the
    /// memtables to files and begins a new log, so it takes space and time.
    package func resume() throws(StorageError) {
        try enter()
        defer { leave() }
        guard grape_monitor_has_error(handles.settings.monitor) != 0 else { return }
        let families = ColumnFamily.allCases.map { Optional(handles.handle($0)) }
        try StorageError.check(at: .init(path: path)) {
            grape_resume(handles.database, families, families.count, &$0)
        }
    }

    /// Of the monotonic clock.
    private static var milliseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    package var freeSpaceBytes: UInt64 {
        get throws(StorageError) { try space.freeBytes() }
    }

    /// One atomic load: ask before every write. As of the last check or the last write that failed for space.
    package var spaceState: SpaceState { space.state }

    /// Gives the reserve's bytes free. True if there was one.
    @discardableResult
    package func releaseReserve() -> Bool { space.releaseReserve() }

    /// Looks at the disk: 1. next to nothing free, or writes stopped for space: the reserve is given up; 2. writes
    /// stopped and room again: resumes them; 3. plenty: the reserve is made again. Call it some times a second, or
    /// `startSpaceWatch`.
    ///
    /// What the memtables hold counts as taken already: it must still reach table files, and after a log write that
    /// failed for space, RocksDB resumes only by writing all of it.
    @discardableResult
    package func checkSpace() -> SpaceState {
        guard (try? enter()) != nil else { return spaceState }
        defer { leave() }
        guard var free = try? space.freeBytes() else { return spaceState }
        var isStopped = backgroundErrorWhileEntered?.isNoSpace ?? false
        if isStopped || free < space.fullBytes {
            if space.releaseReserve() { free = (try? space.freeBytes()) ?? free }
        }
        if isStopped && space.mayResume(free: free, memtableBytes: memtableBytes(), now: Self.milliseconds) {
            isStopped = (try? resume()) == nil
            space.resumeEnded(succeeded: !isStopped, free: free, now: Self.milliseconds)
            free = (try? space.freeBytes()) ?? free
        }
        let unflushed = memtableBytes()
        let before = spaceState
        let isWaiting = grape_monitor_is_waiting_for_space(handles.settings.monitor) != 0
        let after = space.update(free: free, unflushed: unflushed, writesStopped: isStopped || isWaiting)
        // Once, on the way down: the logs that the memtables hold go, and what is free is told without them.
        if before == .ok && after == .almostFull && unflushed >= space.fullBytes { try? flush() }
        return after
    }
}
