import Histogram

/// Latencies to three significant digits.
struct LatencyHistogram: Sendable {
    private var histogram = Histogram<UInt64>()

    mutating func record(_ latency: Duration) {
        histogram.record(max(latency.nanoseconds, 1))
    }

    mutating func add(_ other: LatencyHistogram) {
        histogram.add(other.histogram)
    }

    var count: Int { Int(histogram.totalCount) }

    /// Nil where nothing was recorded.
    func milliseconds(percentile: Double) -> Double? {
        count == 0 ? nil : Double(histogram.valueAtPercentile(percentile)) / 1e6
    }

    var quantiles: Quantiles {
        Quantiles(
            p50: milliseconds(percentile: 50), p95: milliseconds(percentile: 95), p99: milliseconds(percentile: 99))
    }
}

/// Milliseconds.
struct Quantiles: Sendable {
    let p50: Double?
    let p95: Double?
    let p99: Double?
}
