import GrapeModel

/// How a node asks another one: what the transport does for the router, the snapshots and the bootstrap.
package protocol PeerRequests: Sendable {
    /// - Parameter isOver: Asked now and then: whether the caller has no more use for an answer.
    func request(
        _ body: [UInt8], to node: NodeNumber, lane: PeerLane, deadline: ContinuousClock.Instant,
        unless isOver: @escaping @Sendable () -> Bool
    ) async throws(PeerFailure) -> [UInt8]
}

extension PeerRequests {
    package func request(
        _ body: [UInt8], to node: NodeNumber, lane: PeerLane, deadline: ContinuousClock.Instant
    ) async throws(PeerFailure) -> [UInt8] {
        try await request(body, to: node, lane: lane, deadline: deadline, unless: { false })
    }
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
