import NIOCore
import NIOPosix
import Synchronization

/// Runs tasks on event loops. Calls are mostly waiting: for their connection's loop, then to write to it. On the loop itself
/// they go on without a change of threads, of which a call over gRPC has a dozen otherwise.
///
/// What takes longer than decoding a small message has no business here: reads run on the search pool, writes of many
/// points are checked and encoded on Swift's cooperative pool.
package final class LoopExecutor: TaskExecutor {
    /// Bytes of a write that is taken apart on a loop: a few dozen microseconds.
    package static let writeBytesMax = 32 << 10

    private static let group = MultiThreadedEventLoopGroup.singleton
    private static let bound: [ObjectIdentifier: LoopExecutor] = {
        var executors: [ObjectIdentifier: LoopExecutor] = [:]
        for loop in group.makeIterator() { executors[ObjectIdentifier(loop)] = LoopExecutor(loop) }
        return executors
    }()

    /// Stays on the loop on whose thread a task is woken; one that is woken elsewhere goes to any.
    package static let wherever = LoopExecutor(nil)

    private let loop: (any EventLoop)?
    private let isClosed = Atomic<Bool>(false)

    init(_ loop: (any EventLoop)?) { self.loop = loop }

    /// Before its loop shuts down: what still has to run goes to the cooperative pool.
    func close() { isClosed.store(true, ordering: .releasing) }

    /// The executor that stays on the calling thread's loop, wherever a task is woken; nil on a thread that is no loop's.
    package static var current: LoopExecutor? {
        MultiThreadedEventLoopGroup.currentEventLoop.flatMap { bound[ObjectIdentifier($0)] }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        if isClosed.load(ordering: .acquiring) { return globalConcurrentExecutor.enqueue(job) }
        let job = UnownedJob(job)
        let loop = loop ?? MultiThreadedEventLoopGroup.currentEventLoop ?? Self.group.next()
        loop.execute { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
