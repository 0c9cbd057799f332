import GrapeModel

/// How a node asks another one: what the transport does for the router, the snapshots and the bootstrap.
package protocol PeerRequests: Sendable {
    func request(
        _ body: [UInt8], to node: NodeNumber, lane: PeerLane, deadline: ContinuousClock.Instant
    ) async throws(PeerFailure) -> [UInt8]
}

/// Small requests don't wait behind large ones.
package enum PeerLane: Sendable, Hashable {
    case quick
    case bulk
}

/// Another node gave no answer.
package struct PeerFailure: Error, Sendable {
    /// Whether it may have carried the request out all the same.
    package let mayHaveArrived: Bool
    package let message: String

    package init(mayHaveArrived: Bool, message: String) {
        self.mayHaveArrived = mayHaveArrived
        self.message = message
    }
}
