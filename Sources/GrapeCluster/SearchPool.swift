import GrapeModel
import NIOPosix
import Synchronization

/// The fixed pool of threads on which searches and reads run, so that none of them blocks an event loop. What waits is
/// bounded: more is refused at once.
package final class SearchPool: Sendable {
    private let pool: NIOThreadPool
    private let waiting = Atomic<Int>(0)

    package init(threads: Int) {
        pool = NIOThreadPool(numberOfThreads: max(1, threads))
        pool.start()
    }

    deinit { pool.shutdownGracefully { _ in } }

    func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws(GrapeError) -> Result
    ) async throws(GrapeError) -> Result {
        let position = waiting.add(1, ordering: .relaxed).newValue
        defer { waiting.subtract(1, ordering: .relaxed) }
        guard position <= Limits.waitingReadsMax else {
            throw GrapeError(.overloaded, "\(position - 1) reads are waiting already", retryAfterSeconds: 1)
        }
        do {
            return try await pool.runIfActive { try body() }
        } catch let error as GrapeError {
            throw error
        } catch {
            throw GrapeError(.unavailable, "the node is shutting down", retryAfterSeconds: 5)
        }
    }

    package func close() async {
        try? await pool.shutdownGracefully()
    }
}
