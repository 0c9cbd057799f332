import CRocksDBExtras
import Synchronization

/// A disk in memory that a database can be opened on, and that knows what a power loss would leave of it: for tests and
/// the simulator.
///
/// 1. What was synced stays. Of the rest a power loss keeps nothing, or some beginning of each file by a seed.
/// 2. The power is lost for a copy: the database goes on with the disk that it has, so the test can close it in peace.
/// 3. Operations that change something are counted, so that the power can be lost at, or a failure come with, each of
/// them.
///
/// Thread safety: the pointer never changes, and what it points to locks itself.
package final class MemoryFileSystem: @unchecked Sendable {
    let files: OpaquePointer
    private let free = Atomic<UInt64>(1 << 50)

    package init() { files = grape_memory_files_create() }

    private init(_ files: OpaquePointer) { self.files = files }

    deinit { grape_memory_files_destroy(files) }

    /// What is left when the power is lost now. Without a seed nothing that was not synced.
    package func afterPowerLoss(seed: UInt64 = 0) -> MemoryFileSystem {
        MemoryFileSystem(grape_memory_files_after_power_loss(files, seed))
    }

    /// How many operations have changed something.
    package var operations: UInt64 { grape_memory_files_operations(files) }

    package var byteCount: UInt64 { grape_memory_files_bytes(files) }

    /// What storage is told when it asks how much space is left.
    package var freeBytes: UInt64 {
        get { free.load(ordering: .relaxed) }
        set { free.store(newValue, ordering: .relaxed) }
    }

    package enum Failure: Sendable {
        case noSpace
        case io
    }

    /// So many operations from this number on fail.
    package func fail(_ failure: Failure, from operation: UInt64, count: UInt64 = 1) {
        grape_memory_files_fail(files, operation, count, failure == .noSpace ? 1 : 0)
    }

    /// Notes before every so-many-th operation what a power loss would leave then; 0 ends that.
    package func noteLosses(every count: UInt64, seed: UInt64 = 0) {
        grape_memory_files_note_losses(files, count, seed)
    }

    /// The oldest that was noted, with the number of operations before it.
    package func takeLoss() -> (operations: UInt64, files: MemoryFileSystem)? {
        var operations: UInt64 = 0
        return grape_memory_files_take_loss(files, &operations).map { (operations, MemoryFileSystem($0)) }
    }
}
