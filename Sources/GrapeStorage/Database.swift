import CRocksDB
import CRocksDBExtras
import Glibc
import Synchronization

/// A node's one RocksDB: everything that must last.
///
/// What lies in the directory: RocksDB's files, `LOG` and `LOG.old` (RocksDB's messages, bounded), `reserve` (space
/// kept for a full disk, see `DiskSpace`) and `synced` (the last synced sequence number, see `SyncMark`).
///
/// Thread safety:
/// 1. Every operation may be called from any thread, also at the same time as `close`, which makes it throw `.closed`.
/// 2. `users` counts operations, cursors, snapshots and batches that live. The C objects are freed only once it is zero
///    and closing has begun; each of them holds the database, so `deinit` finds zero.
/// 3. Calls block on the disk: they belong on threads of their own, not on an event loop or the cooperative pool.
///
/// Durability: a write without `sync` survives this process once it returned, but the machine's crash only after a
/// later `syncLog` or a write with `sync`. One write-ahead log carries all families, so what survives is always a
/// prefix of the writes, across families.
package final class Database: @unchecked Sendable {
    /// The version of keys, rows and families that this code writes.
    package static let formatVersion: UInt32 = 1

    package let path: String
    let options: StorageOptions
    let handles: RocksHandles
    let space: DiskSpace
    let syncMark: SyncMark?
    private let lease: DirectoryLease?
    private let users = Atomic<Int>(0)
    private let isClosing = Atomic<Bool>(false)
    private let isFreed = Mutex(false)
    private let watch = Mutex<SpaceWatch?>(nil)
    private let damageObserver = Mutex<DamageObserver?>(nil)

    /// Hears of a row that can't be trusted: its family, its key, and the error that names it.
    package typealias DamageObserver = @Sendable (ColumnFamily, [UInt8], StorageError) -> Void

    /// Added to `users` by `close`: entering then yields a negative count.
    private static let closing = Int.min / 2
    private static let closeWaitMilliseconds = 10_000

    init(
        path: String, options: StorageOptions, handles: RocksHandles, syncMark: SyncMark?, lease: DirectoryLease?
    ) {
        self.path = path
        self.options = options
        self.handles = handles
        self.syncMark = syncMark
        self.lease = lease
        space = DiskSpace(path: path, options: options)
    }

    deinit { try? close() }

    /// Syncs the log, waits up to ten seconds for everything that uses the database, then frees it and its lock.
    /// After `.busy` it may be called again; operations are refused from the first call on.
    package func close() throws(StorageError) {
        if !isClosing.exchange(true, ordering: .acquiringAndReleasing) {
            users.add(Self.closing, ordering: .acquiringAndReleasing)
        }
        watch.withLock { $0.take() }?.stop()
        for _ in 0..<Self.closeWaitMilliseconds where usersLeft > 0 { usleep(1000) }
        guard usersLeft == 0 else { throw .busy(path: path, users: usersLeft) }
        let failure: StorageError? = isFreed.withLock { isFreed in
            guard !isFreed else { return nil }
            isFreed = true
            return freeAll()
        }
        if let failure { throw failure }
    }

    /// Starts a thread that keeps `spaceState` current and resumes writes when space is back; it ends with `close`.
    package func startSpaceWatch(everyMilliseconds: Int = 250) {
        watch.withLock { watch in
            guard watch == nil, !isClosing.load(ordering: .acquiring) else { return }
            watch = SpaceWatch(database: self, everyMilliseconds: everyMilliseconds)
        }
    }

    /// Tells of damage that reads and cursors meet, on their threads; the readers get the error all the same.
    package func observeDamage(_ observer: @escaping DamageObserver) { damageObserver.withLock { $0 = observer } }

    func tell(_ error: StorageError, _ family: ColumnFamily, _ key: UnsafeRawBufferPointer) -> StorageError {
        if error.isDamage { damageObserver.withLock { $0 }?(family, Array(key), error) }
        return error
    }

    private var usersLeft: Int { users.load(ordering: .acquiring) - Self.closing }

    /// A log that an earlier error stopped is not synced again: nothing in it was acknowledged.
    private func freeAll() -> StorageError? {
        var failure: StorageError?
        if !options.readOnly && backgroundError == nil {
            do throws(StorageError) { try syncLogWhileEntered() } catch { failure = error }
        }
        syncMark?.noteManifest()
        grape_monitor_stop_waiting(handles.settings.monitor)
        handles.free()
        lease?.release()
        return failure
    }

    // MARK: Who uses the database

    /// Counts one user in; every success is paired with one `leave`.
    func enter() throws(StorageError) {
        if users.add(1, ordering: .acquiring).newValue <= 0 {
            users.subtract(1, ordering: .releasing)
            throw .closed(path: path)
        }
    }

    func leave() {
        users.subtract(1, ordering: .releasing)
    }
}
