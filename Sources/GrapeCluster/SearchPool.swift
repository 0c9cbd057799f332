import GrapeModel
import NIOPosix
import Synchronization

/// The fixed pool of threads on which searches and reads run, so that none of them blocks an event loop. What waits is
/// bounded: more is refused at once.
///
/// A call that does little else than read may run here as a whole (it prefers this executor): decoding, search and
/// encoding then follow each other on one thread, and `run` runs its body where it stands.
package final class SearchPool: TaskExecutor {
    private let pool: NIOThreadPool
    private let waiting = Atomic<Int>(0)
    private let isClosed = Atomic<Bool>(false)

    package init(threads: Int) {
        pool = NIOThreadPool(numberOfThreads: max(1, threads))
        pool.start()
    }

    deinit { pool.shutdownGracefully { _ in } }

    /// When the pool is closed a task goes on where it was woken, as it has to come to its end; `run` refuses it.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        waiting.add(1, ordering: .relaxed)
        pool.submit { [self] _ in
            waiting.subtract(1, ordering: .relaxed)
            unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws(GrapeError) -> Result
    ) async throws(GrapeError) -> Result {
        if isCurrent {
            try refuse(waiting.load(ordering: .relaxed))
            return try body()
        }
        let before = waiting.add(1, ordering: .relaxed).oldValue
        defer { waiting.subtract(1, ordering: .relaxed) }
        try refuse(before)
        do {
            return try await pool.runIfActive { try body() }
        } catch let error as GrapeError {
            throw error
        } catch {
            throw Self.closing
        }
    }

    private static let closing = GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)

    private func refuse(_ count: Int) throws(GrapeError) {
        if isClosed.load(ordering: .relaxed) { throw Self.closing }
        guard count < Limits.waitingReadsMax else {
            throw GrapeError(.overloaded, "\(count) reads are waiting already", retryAfterSeconds: 1)
        }
    }

    /// Whether the calling task runs on one of these threads.
    private var isCurrent: Bool {
        unsafe withUnsafeCurrentTask { task in
            unsafe task?.unownedTaskExecutor == asUnownedTaskExecutor()
        }
    }

    package func close() async {
        isClosed.store(true, ordering: .relaxed)
        try? await pool.shutdownGracefully()
    }
}
