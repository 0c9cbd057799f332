import GrapeModel

/// A node of the cluster, as the catalog knows it.
package struct Member: Sendable, Hashable {
    package enum State: UInt8, Sendable, Hashable {
        case member = 1
        /// Its replicas are being moved away; then it is removed.
        case leaving = 2
    }

    package var number: NodeNumber
    package var nodeID: String
    /// Drawn when the node's data directory was made: another one under the same node id is another node.
    package var bootID: UInt64
    package var addresses: MemberAddresses
    package var version: String
    package var state = State.member
    /// Serial of its replica of the catalog.
    package var catalogSerial: UInt32

    package init(
        number: NodeNumber, nodeID: String, bootID: UInt64, addresses: MemberAddresses, version: String,
        catalogSerial: UInt32
    ) {
        self.number = number
        self.nodeID = nodeID
        self.bootID = bootID
        self.addresses = addresses
        self.version = version
        self.catalogSerial = catalogSerial
    }
}

/// Where others reach a node.
package struct MemberAddresses: Sendable, Hashable {
    package var grpc: HostPort
    package var rest: HostPort
    package var raft: HostPort

    package init(grpc: HostPort, rest: HostPort, raft: HostPort) {
        self.grpc = grpc
        self.rest = rest
        self.raft = raft
    }
}

/// A replica of a shard: on which node, and the serial number that makes its id.
package struct ReplicaPlace: Sendable, Hashable, Comparable {
    package var node: NodeNumber
    package var serial: UInt32

    package init(node: NodeNumber, serial: UInt32) {
        self.node = node
        self.serial = serial
    }

    package static func < (left: Self, right: Self) -> Bool { (left.node, left.serial) < (right.node, right.serial) }
}

/// Where a shard's replicas are, and the move under way. The first replica is the one that leads by preference.
package struct ShardPlacement: Sendable, Hashable {
    package var replicas: [ReplicaPlace]
    package var move: ShardMove?

    package init(replicas: [ReplicaPlace], move: ShardMove? = nil) {
        self.replicas = replicas
        self.move = move
    }

    /// The replica that was to come by a move that was turned round.
    package var turnedRound: ReplicaPlace? { move?.removing.flatMap { replicas.contains($0) ? nil : $0 } }

    /// All that a node may hold of the shard now.
    package var all: [ReplicaPlace] {
        replicas + (move?.adding.map { [$0] } ?? []) + (turnedRound.map { [$0] } ?? [])
    }

    /// The replicas when the move is done. The one that comes takes the place of the one that goes, so that who leads by
    /// preference stays spread.
    package var target: [ReplicaPlace] {
        guard let move else { return replicas }
        guard let removing = move.removing else { return replicas + (move.adding.map { [$0] } ?? []) }
        return replicas.compactMap { $0 == removing ? move.adding : $0 }
    }
}

/// A change of a shard's replicas under way: one comes, one goes, or both. What is done of it the group's own
/// configuration tells, so it can be taken up by anybody at any time.
package struct ShardMove: Sendable, Hashable {
    /// Given out once.
    package var id: UInt64
    package var adding: ReplicaPlace?
    /// One that is none of the shard's replicas was to come, and the move was given up.
    package var removing: ReplicaPlace?
    /// Of a move that was given up: the replica in whose place the other one was to come.
    package var replaced: ReplicaPlace?
    /// Milliseconds since 1970, by the clock of whoever planned it.
    package var startedAt: UInt64

    package init(
        id: UInt64, adding: ReplicaPlace?, removing: ReplicaPlace?, replaced: ReplicaPlace? = nil, startedAt: UInt64
    ) {
        self.id = id
        self.adding = adding
        self.removing = removing
        self.replaced = replaced
        self.startedAt = startedAt
    }
}
