import GrapeModel

/// Everything that an operator can set, with its default: `Configuration()` is a complete single node on 127.0.0.1.
///
/// One nested struct for each table of the file, one property for each key. `ConfigurationKey.all` ties the properties
/// to their names, types and ranges; a value made by `Configuration.load` keeps every rule between keys as well.
/// Properties are what was written; where the default depends on other keys, the effective value is computed here.
package struct Configuration: Sendable, Hashable {
    package var server = Server()
    package var cluster = Cluster()
    package var raft = Raft()
    package var sharding = Sharding()
    package var vector = Vector()
    package var storage = Storage()
    package var index = Index()
    package var auth = Auth()
    package var tls = TLS()
    package var monitoring = Monitoring()
    package var limits = Limits()

    /// Name of this machine: what other nodes dial where no address of this node is configured.
    package var hostName = "localhost"

    /// What was found odd but not wrong while loading, one line each, without secrets.
    package internal(set) var warnings: [String] = []

    package init() {}
}

extension Configuration {
    /// Whether this node belongs to a cluster. `cluster.enabled` is implied by every key that only a cluster needs.
    package var isClustered: Bool { cluster.enabled ?? cluster.isImplied }

    /// Address on which every port listens.
    package var bindAddress: String { server.bindAddress ?? (isClustered ? "0.0.0.0" : "127.0.0.1") }

    /// Where clients and nodes find this node's gRPC port.
    package var nodeAddress: HostPort {
        cluster.nodeAddress ?? HostPort(host: advertisedHost, port: server.grpcPort)
    }

    /// Where the other nodes dial this one.
    ///
    /// Unset, it is this node's own entry in `cluster.initial_peers`, or else the host of `nodeAddress` with
    /// `cluster.raft_port`.
    package var raftAddress: HostPort {
        if let address = cluster.raftAddress ?? ownPeer?.address { return address }
        return HostPort(host: cluster.nodeAddress?.host ?? advertisedHost, port: cluster.raftPort)
    }

    /// The bounds that the operator may change, in the form in which the layers below take them.
    package var requestLimits: GrapeModel.Limits {
        var result = GrapeModel.Limits()
        result.maxBatchSize = limits.maxBatchSize
        result.maxSearchResults = limits.maxSearchResults
        result.maxPayloadBytes = limits.maxPayloadBytes
        result.maxDimension = limits.maxDimension
        return result
    }

    private var ownPeer: PeerAddress? { cluster.initialPeers.first { $0.nodeID == cluster.nodeID } }

    /// The best known name of this machine: what the operator wrote comes before what the machine says of itself.
    private var advertisedHost: String {
        if let host = cluster.raftAddress?.host ?? ownPeer?.address.host { return host }
        let wildcards = ["0.0.0.0", "::", "[::]", "*"]
        return wildcards.contains(bindAddress) ? hostName : bindAddress
    }
}
