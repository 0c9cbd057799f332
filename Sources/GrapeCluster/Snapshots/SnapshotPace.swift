/// Keeps transfers below a rate: tells how long to wait before so many bytes may go. Time comes in nanoseconds from
/// anywhere. A value without a clock.
struct SnapshotPace: Sendable {
    private let bytesPerSecond: Double
    /// When all that was let go is paid for.
    private var paidAt: UInt64 = 0

    init(bytesPerSecond: Int) { self.bytesPerSecond = Double(max(1, bytesPerSecond)) }

    /// -> nanoseconds to wait.
    mutating func take(_ bytes: Int, at now: UInt64) -> UInt64 {
        let begin = max(now, paidAt)
        paidAt = begin + UInt64(Double(bytes) / bytesPerSecond * 1e9)
        return begin - now
    }
}
