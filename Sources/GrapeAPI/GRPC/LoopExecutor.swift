import NIOCore
import NIOPosix

/// Runs tasks on event loops. gRPC is made of tasks that wait for their connection's event loop and then write to it: on
/// the loop itself they go on without a change of threads, of which a call has a dozen otherwise.
///
/// What takes longer than a message's decoding has no business here: reads run on the search pool, writes of points are
/// checked and encoded on Swift's cooperative pool.
final class LoopExecutor: TaskExecutor {
    private static let group = MultiThreadedEventLoopGroup.singleton
    private static let bound: [ObjectIdentifier: LoopExecutor] = {
        var executors: [ObjectIdentifier: LoopExecutor] = [:]
        for loop in group.makeIterator() { executors[ObjectIdentifier(loop)] = LoopExecutor(loop) }
        return executors
    }()

    /// Stays on the loop on whose thread a task is woken; one that is woken elsewhere goes to any.
    static let wherever = LoopExecutor(nil)

    private let loop: (any EventLoop)?

    private init(_ loop: (any EventLoop)?) { self.loop = loop }

    /// The executor that stays on the calling thread's loop, wherever a task is woken; nil on a thread that is no loop's.
    static var current: LoopExecutor? {
        MultiThreadedEventLoopGroup.currentEventLoop.flatMap { bound[ObjectIdentifier($0)] }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let loop = loop ?? MultiThreadedEventLoopGroup.currentEventLoop ?? Self.group.next()
        loop.execute { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
