import Synchronization

/// How busy this process keeps the processors, since it was asked last.
///
/// Thread safety: the last sample is guarded by its mutex.
final class ProcessorUsage: Sendable {
    private struct Sample {
        var time: ContinuousClock.Instant
        var cpuSeconds: Double
        var percent: Double
    }

    /// A shorter time than this gives no sensible figure: the last one is given again.
    private static let shortest = Duration.milliseconds(500)

    private let last = Mutex<Sample?>(nil)

    /// 100 is one core; the first figure is the average since the process started.
    func percent() -> Double {
        let usage = ProcessUsage.now()
        let now = ContinuousClock.now
        return last.withLock { last in
            if let last, now - last.time < Self.shortest { return last.percent }
            let share = last.map { (usage.cpuSeconds - $0.cpuSeconds) / ((now - $0.time) / .seconds(1)) }
            let percent = ((share ?? usage.averageCPUShare) * 1_000).rounded() / 10
            last = Sample(time: now, cpuSeconds: usage.cpuSeconds, percent: percent)
            return percent
        }
    }
}
