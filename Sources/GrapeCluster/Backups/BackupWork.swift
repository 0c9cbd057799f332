import Dispatch
import GrapeEngine
import GrapeModel
import Synchronization

/// Keeps the making of archives below a rate, and ends it when the node stops, or when the disk gets so full that users'
/// writes would be refused.
///
/// Thread safety: any thread. `note` blocks: it belongs on `SnapshotThreads`.
final class BackupWork: Sendable {
    private let pace: Mutex<SnapshotPace>
    /// Why no more may be written; nil while there is space.
    private let refusal: @Sendable () -> ArchiveError?
    private let isStopped = Atomic<Bool>(false)
    private let began = ContinuousClock.now

    init(bytesPerSecond: Int, refusal: @escaping @Sendable () -> ArchiveError?) {
        pace = Mutex(SnapshotPace(bytesPerSecond: bytesPerSecond))
        self.refusal = refusal
    }

    func stop() { isStopped.store(true, ordering: .releasing) }

    var isOver: Bool { isStopped.load(ordering: .acquiring) }

    /// - Parameter progress: hears of the bytes too.
    func pace(_ progress: @escaping @Sendable (Int) -> Void = { _ in }) -> ArchivePace {
        ArchivePace { [self] (bytes) throws(ArchiveError) in
            let wait = self.wait(bytes)
            if wait > 0 {
                _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .nanoseconds(Int(clamping: wait)))
            }
            guard !isOver else { throw .stopped }
            if let refusal = refusal() { throw refusal }
            progress(bytes)
        }
    }

    private func wait(_ bytes: Int) -> UInt64 {
        let now = ContinuousClock.now - began
        let nanoseconds =
            UInt64(now.components.seconds) * 1_000_000_000 + UInt64(now.components.attoseconds / 1_000_000_000)
        return pace.withLock { $0.take(bytes, at: nanoseconds) }
    }

    /// Runs what waits for the disk, on a thread that may.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ArchiveError) -> Value
    ) async throws(GrapeError) -> Value {
        do throws(ArchiveError) {
            return try await SnapshotThreads.run(body)
        } catch {
            throw GrapeError(error)
        }
    }
}
