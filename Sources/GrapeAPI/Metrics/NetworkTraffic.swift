import Synchronization

/// Bytes at the sockets of all ports.
package final class NetworkTraffic: Sendable {
    private let receivedTotal = Atomic<UInt64>(0)
    private let sentTotal = Atomic<UInt64>(0)

    package var receivedBytes: UInt64 { receivedTotal.load(ordering: .relaxed) }
    package var sentBytes: UInt64 { sentTotal.load(ordering: .relaxed) }

    func received(_ count: Int) { receivedTotal.add(UInt64(count), ordering: .relaxed) }
    func sent(_ count: Int) { sentTotal.add(UInt64(count), ordering: .relaxed) }
}
