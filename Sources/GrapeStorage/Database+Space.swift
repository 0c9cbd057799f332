import CRocksDB
import CRocksDBExtras

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

    /// Reopens writes after a background error (`.io`, `.corruption`) whose cause is gone; nothing to do if there is
    /// none. It writes the memtables to files. A full disk needs no resuming.
    package func resume() throws(StorageError) {
        try enter()
        defer { leave() }
        guard grape_monitor_has_error(handles.settings.monitor) != 0 else { return }
        try StorageError.check(at: .init(path: path)) { grape_resume(handles.database, &$0) }
    }

    /// Some file of RocksDB's has met the end of the disk and waits for space.
    var isWaitingForSpace: Bool { grape_monitor_is_waiting_for_space(handles.settings.monitor) != 0 }

    package var freeSpaceBytes: UInt64 {
        get throws(StorageError) { try space.freeBytes() }
    }

    /// One atomic load: ask before every write. As of the last check or the last write that failed for space.
    package var spaceState: SpaceState { space.state }

    /// Gives the reserve's bytes free. True if there was one.
    @discardableResult
    package func releaseReserve() -> Bool { space.releaseReserve() }

    /// Looks at the disk: 1. next to nothing free: the reserve is given up; 2. plenty: it is made again; 3. compactions
    /// learn how much they may take. Call it some times a second, or `startSpaceWatch`.
    ///
    /// What the memtables hold counts as taken already: it must still reach table files.
    @discardableResult
    package func checkSpace() -> SpaceState {
        guard (try? enter()) != nil else { return spaceState }
        defer { leave() }
        guard var free = try? space.freeBytes() else { return spaceState }
        if free < space.fullBytes && space.releaseReserve() { free = (try? space.freeBytes()) ?? free }
        let unflushed = memtableBytes()
        space.noteUnflushed(unflushed)
        let taken = unflushed + space.fullBytes
        grape_monitor_set_free_bytes(handles.settings.monitor, free - min(free, taken))
        let state = space.update(free: free, unflushed: unflushed, isWaiting: isWaitingForSpace)
        // Memtables go to files where these have room: then their logs go, and what is free is told without them.
        if state == .almostFull && unflushed >= space.fullBytes && free >= taken { try? startFlush() }
        return state
    }
}
