import Histogram

/// The latencies of the last minute or so, for quantiles that follow the present: a ring of HDR histograms, each for
/// one interval; beside it the sum and count of all time, which a summary has as well.
struct LatencyWindow: Sendable {
    private static let slots = 6
    private static let microsecondsMax: UInt64 = 3_600_000_000

    private struct Slot {
        var epoch: UInt64
        var histogram: Histogram<UInt32>
    }

    private let intervalNanoseconds: UInt64
    private var ring: [Slot?] = Array(repeating: nil, count: slots)
    private(set) var count: UInt64 = 0
    private(set) var nanoseconds: UInt64 = 0

    init(intervalSeconds: Int) { intervalNanoseconds = UInt64(max(1, intervalSeconds)) * 1_000_000_000 }

    /// - Parameter now: nanoseconds of a clock that doesn't go back.
    mutating func record(_ value: UInt64, now: UInt64) {
        count += 1
        nanoseconds += value
        let epoch = now / intervalNanoseconds
        let place = Int(epoch % UInt64(Self.slots))
        if ring[place] == nil {
            ring[place] = Slot(epoch: epoch, histogram: Self.emptyHistogram())
        } else if ring[place]?.epoch != epoch {
            ring[place]?.histogram.reset()
            ring[place]?.epoch = epoch
        }
        ring[place]?.histogram.record(min(max(1, value / 1_000), Self.microsecondsMax))
    }

    /// Adds what the window holds to `histogram`, and the sums of all time to the counters.
    func add(to total: inout LatencyTotal, now: UInt64) {
        total.count += count
        total.nanoseconds += nanoseconds
        let epoch = now / intervalNanoseconds
        for case let slot? in ring where slot.epoch <= epoch && epoch - slot.epoch < UInt64(Self.slots) {
            total.histogram.add(slot.histogram)
        }
    }

    static func emptyHistogram() -> Histogram<UInt32> {
        Histogram(highestTrackableValue: microsecondsMax, numberOfSignificantValueDigits: .two)
    }
}

/// Windows of several threads, added up.
struct LatencyTotal: Sendable {
    var histogram = LatencyWindow.emptyHistogram()
    var count: UInt64 = 0
    var nanoseconds: UInt64 = 0

    /// nil where the window is empty.
    func seconds(percentile: Double) -> Double? {
        histogram.totalCount == 0 ? nil : Double(histogram.valueAtPercentile(percentile)) / 1_000_000
    }
}
