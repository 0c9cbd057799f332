/// The window of append messages sent to one follower and not yet answered, bounded in number and in bytes.
///
/// A ring that grows by doubling up to the bound, so that idle followers cost nothing.
///
/// Invariant: `count <= countMax`; the indexes rise from the oldest to the newest.
package struct Inflights: Sendable {
    private struct Flight: Sendable {
        var lastIndex: LogIndex
        var bytes: UInt64
    }

    private let countMax: Int
    private let bytesMax: UInt64
    private var ring: [Flight] = []
    private var start = 0
    package private(set) var count = 0
    package private(set) var bytes: UInt64 = 0

    package init(countMax: Int, bytesMax: UInt64) {
        precondition(countMax > 0, "in-flight window of \(countMax) messages")
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    /// Whether nothing more may be sent. The last message in may overshoot the byte bound.
    package var isFull: Bool { count == countMax || (bytesMax != 0 && bytes >= bytesMax) }

    /// Notes a message whose last entry is `lastIndex`.
    package mutating func add(lastIndex: LogIndex, bytes size: UInt64) {
        precondition(!isFull, "in-flight window is full: \(count) messages, \(bytes) bytes")
        if count > 0 {
            let newest = ring[position(count - 1)].lastIndex
            precondition(newest < lastIndex, "in-flight index \(lastIndex.rawValue) after \(newest.rawValue)")
        }
        if count == ring.count { grow() }
        ring[position(count)] = Flight(lastIndex: lastIndex, bytes: size)
        count += 1
        bytes += size
    }

    /// Frees every message whose entries all lie at or before `index`.
    package mutating func free(through index: LogIndex) {
        while count > 0 && ring[start].lastIndex <= index {
            bytes -= ring[start].bytes
            start = position(1)
            count -= 1
        }
        if count == 0 { start = 0 }
    }

    package mutating func reset() {
        start = 0
        count = 0
        bytes = 0
    }

    private func position(_ offset: Int) -> Int {
        let position = start + offset
        return position < ring.count ? position : position - ring.count
    }

    private mutating func grow() {
        var larger: [Flight] = []
        larger.reserveCapacity(min(countMax, max(4, 2 * ring.count)))
        larger.append(contentsOf: ring[start...])
        larger.append(contentsOf: ring[..<start])
        let empty = Flight(lastIndex: .zero, bytes: 0)
        while larger.count < min(countMax, max(4, 2 * ring.count)) { larger.append(empty) }
        ring = larger
        start = 0
    }
}
