import Foundation

/// CPU time, in nanoseconds.
enum CPUClock {
    /// Spent so far by the calling thread.
    static var thread: UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }
    /// Spent so far by all threads of this process.
    static var process: UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let status = unsafe clock_gettime(clock, &time)
        precondition(status == 0, "this system has no CPU clock \(clock)")
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension Duration {
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    var seconds: Double { Double(nanoseconds) / 1e9 }
}
