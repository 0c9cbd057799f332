/// A latency distribution in fixed buckets, as Prometheus' histograms have them.
struct LatencyBuckets: Sendable {
    /// Upper bounds in seconds, as they are printed; the last bucket has none.
    static let bounds: [(text: String, nanoseconds: UInt64)] = [
        ("0.0005", 500_000), ("0.001", 1_000_000), ("0.0025", 2_500_000), ("0.005", 5_000_000), ("0.01", 10_000_000),
        ("0.025", 25_000_000), ("0.05", 50_000_000), ("0.1", 100_000_000), ("0.25", 250_000_000),
        ("0.5", 500_000_000), ("1.0", 1_000_000_000), ("2.5", 2_500_000_000), ("5.0", 5_000_000_000),
        ("10.0", 10_000_000_000), ("30.0", 30_000_000_000),
    ]

    /// Of each bucket alone.
    private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    private(set) var count: UInt64 = 0
    private(set) var nanoseconds: UInt64 = 0

    mutating func record(_ value: UInt64) {
        var bucket = 0
        while bucket < Self.bounds.count, value > Self.bounds[bucket].nanoseconds { bucket += 1 }
        counts[bucket] += 1
        count += 1
        nanoseconds += value
    }

    mutating func add(_ other: Self) {
        for bucket in counts.indices { counts[bucket] += other.counts[bucket] }
        count += other.count
        nanoseconds += other.nanoseconds
    }
}
