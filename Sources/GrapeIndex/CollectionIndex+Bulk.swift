import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension CollectionIndex {
    /// Moves the whole tail into the graph with so many threads, the calling one among them; returns when it is empty
    /// or the collection is too small for a graph.
    package func drainTail(threads: Int) {
        precondition(threads > 0, "no threads to drain the tail with")
        // The first points are linked by one thread: threads that start on an empty graph do not find one another's.
        _ = moveTail(max: IndexLimits.claimMax)
        let others = (1..<threads).compactMap { _ in DrainThread(index: self) }
        drain()
        for other in others { other.join() }
    }

    fileprivate func drain() {
        while moveTail(max: IndexLimits.claimMax) > 0 {}
    }
}

/// A thread of its own for a long run of inserts: neither an event loop nor the cooperative pool should block on it.
private struct DrainThread {
    private let thread: pthread_t

    /// Nil if the system has no thread to give; the others then do its work.
    init?(index: CollectionIndex) {
        #if os(Linux)
            var thread = pthread_t()
        #else
            var thread: pthread_t?
        #endif
        let context = Unmanaged.passRetained(index)
        let status = pthread_create(
            &thread, nil,
            { @Sendable context in
                #if os(Linux)
                    guard let context else { return nil }
                #endif
                Unmanaged<CollectionIndex>.fromOpaque(context).takeRetainedValue().drain()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            return nil
        }
        #if os(Linux)
            self.thread = thread
        #else
            guard let thread else { return nil }
            self.thread = thread
        #endif
    }

    func join() {
        pthread_join(thread, nil)
    }
}
