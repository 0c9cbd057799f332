import Synchronization

/// Connections and request bodies that one port holds, counted against its limits.
///
/// Thread safety: atomics; a bound may be passed by what arrives in the same instant on other event loops, never by more.
package final class ServerLoad: Sendable {
    package enum Room: Sendable {
        case any
        /// Only for questions after the node's health.
        case reserved
        case none
    }

    private let connections = Atomic<Int>(0)
    private let bodyBytes = Atomic<Int>(0)

    package init() {}

    package var activeConnections: Int { connections.load(ordering: .relaxed) }

    /// Counts one more connection. Every call is paired with `disconnect`.
    package func connect(_ limits: ConnectionLimits) -> Room {
        let count = connections.add(1, ordering: .relaxed).newValue
        if count <= limits.connectionsMax { return .any }
        return count <= limits.connectionsMax + limits.reservedConnections ? .reserved : .none
    }

    package func disconnect() { connections.subtract(1, ordering: .relaxed) }

    /// false: there is no room for these bytes, and they are not counted.
    package func holdBody(_ count: Int, _ limits: ConnectionLimits) -> Bool {
        if bodyBytes.add(count, ordering: .relaxed).newValue <= limits.heldBodyBytesMax { return true }
        bodyBytes.subtract(count, ordering: .relaxed)
        return false
    }

    package func releaseBody(_ count: Int) { bodyBytes.subtract(count, ordering: .relaxed) }

    package var heldBodyBytes: Int { bodyBytes.load(ordering: .relaxed) }
}
