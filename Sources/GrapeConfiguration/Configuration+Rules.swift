import GrapeModel

/// A broken rule between keys. Each side could be mended; the one that was set last is named to the operator.
struct ConfigurationViolation {
    struct Side {
        let key: String
        let found: String
        let expected: String
    }

    /// Named where no other side was set more deliberately.
    let main: Side
    var others: [Side] = []

    init(_ key: String, found: String, expected: String, others: [Side] = []) {
        main = Side(key: key, found: found, expected: expected)
        self.others = others
    }
}

// Rules between keys; what concerns a single key is its type and range.
extension Configuration {
    var violations: [ConfigurationViolation] {
        portViolations + raftViolations + clusterViolations + limitViolations + authViolations + tlsViolations
    }

    /// Ports that are open at the same time differ.
    private var portViolations: [ConfigurationViolation] {
        var ports = [("server.rest_port", server.restPort), ("server.grpc_port", server.grpcPort)]
        if isClustered { ports.append(("cluster.raft_port", cluster.raftPort)) }
        if monitoring.prometheusEnabled { ports.append(("monitoring.prometheus_port", monitoring.prometheusPort)) }
        var violations: [ConfigurationViolation] = []
        for (position, later) in ports.enumerated() where later.1 != 0 {
            for earlier in ports[..<position] where earlier.1 == later.1 {
                let side = ConfigurationViolation.Side(
                    key: earlier.0, found: "\(earlier.1)", expected: "another port than \(later.0)")
                violations.append(
                    ConfigurationViolation(
                        later.0, found: "\(later.1)", expected: "another port than \(earlier.0)", others: [side]))
            }
        }
        return violations
    }

    /// An election must not start over a few heartbeats that came late.
    private var raftViolations: [ConfigurationViolation] {
        let (election, heartbeat) = (raft.electionTimeoutMilliseconds, raft.heartbeatIntervalMilliseconds)
        guard election < 4 * heartbeat else { return [] }
        let other = ConfigurationViolation.Side(
            key: "raft.heartbeat_interval_ms", found: "\(heartbeat)",
            expected: "at most \(election / 4) (a quarter of raft.election_timeout_ms)")
        return [
            ConfigurationViolation(
                "raft.election_timeout_ms", found: "\(election)",
                expected: "at least \(4 * heartbeat) (4 x raft.heartbeat_interval_ms)", others: [other])
        ]
    }

    private var clusterViolations: [ConfigurationViolation] {
        var violations: [ConfigurationViolation] = []
        if cluster.enabled == false && cluster.isImplied {
            let implying =
                cluster.joinCluster ? "join_cluster" : cluster.seedNodes.isEmpty ? "initial_peers" : "seed_nodes"
            violations.append(
                ConfigurationViolation(
                    "cluster.enabled", found: "false", expected: "true (or unset), as cluster.\(implying) is set"))
        }
        guard isClustered else { return violations }
        if !storage.syncWrites {
            violations.append(
                ConfigurationViolation("storage.sync_writes", found: "false", expected: "true in a cluster"))
        }
        if cluster.joinCluster && cluster.seedNodes.isEmpty && cluster.initialPeers.isEmpty {
            violations.append(
                ConfigurationViolation(
                    "cluster.join_cluster", found: "true without cluster.seed_nodes",
                    expected: "at least one seed node to ask"))
        }
        if cluster.failureTimeoutSeconds * 1_000 <= raft.electionTimeoutMilliseconds {
            let other = ConfigurationViolation.Side(
                key: "raft.election_timeout_ms", found: "\(raft.electionTimeoutMilliseconds)",
                expected: "less than cluster.failure_timeout_secs, \(cluster.failureTimeoutSeconds) s")
            violations.append(
                ConfigurationViolation(
                    "cluster.failure_timeout_secs", found: "\(cluster.failureTimeoutSeconds)",
                    expected: "more than raft.election_timeout_ms, \(raft.electionTimeoutMilliseconds) ms",
                    others: [other])
            )
        }
        return violations + peerViolations
    }

    /// Members are told apart by id and by address, and this node is one of them.
    private var peerViolations: [ConfigurationViolation] {
        let peers = cluster.initialPeers
        for (position, peer) in peers.enumerated() {
            let earlier = peers[..<position]
            guard earlier.contains(where: { $0.nodeID == peer.nodeID || $0.address == peer.address }) else { continue }
            return [
                ConfigurationViolation(
                    "cluster.initial_peers", found: "\"\(peer)\" beside another member of that id or address",
                    expected: "each id and each address once")
            ]
        }
        guard !peers.isEmpty, !cluster.joinCluster, !peers.contains(where: { $0.nodeID == cluster.nodeID }) else {
            return []
        }
        let ids = peers.compactMap(\.nodeID).joined(separator: ", ")
        let other = ConfigurationViolation.Side(
            key: "cluster.node_id", found: "\"\(cluster.nodeID)\"", expected: "an id in cluster.initial_peers: \(ids)")
        return [
            ConfigurationViolation(
                "cluster.initial_peers", found: "\(ids)", expected: "this node, \"\(cluster.nodeID)\", among them",
                others: [other])
        ]
    }

    private var limitViolations: [ConfigurationViolation] {
        guard let dimension = vector.dimension, dimension > limits.maxDimension else { return [] }
        let other = ConfigurationViolation.Side(
            key: "limits.max_dimension", found: "\(limits.maxDimension)",
            expected: "at least vector.dimension, \(dimension)")
        return [
            ConfigurationViolation(
                "vector.dimension", found: "\(dimension)",
                expected: "at most limits.max_dimension, \(limits.maxDimension)", others: [other])
        ]
    }

    private var authViolations: [ConfigurationViolation] {
        if auth.enabled && auth.apiKeys.isEmpty && auth.readonlyKeys.isEmpty {
            return [
                ConfigurationViolation(
                    "auth.enabled", found: "true without any key", expected: "auth.api_keys or auth.readonly_keys")
            ]
        }
        guard auth.readonlyKeys.contains(where: { auth.apiKeys.contains($0) }) else { return [] }
        return [
            ConfigurationViolation(
                "auth.readonly_keys", found: "a key that auth.api_keys holds too", expected: "each key in one of them")
        ]
    }

    private var tlsViolations: [ConfigurationViolation] {
        guard tls.enabled, tls.certFile == nil || tls.keyFile == nil else { return [] }
        let missing = tls.certFile == nil ? "tls.cert_file" : "tls.key_file"
        return [
            ConfigurationViolation("tls.enabled", found: "true without \(missing)", expected: "\(missing) to be set")
        ]
    }
}

extension Configuration {
    /// What an operator should hear about although nothing is wrong.
    var oddities: [String] {
        var lines: [String] = []
        if !auth.enabled && !(auth.apiKeys.isEmpty && auth.readonlyKeys.isEmpty) {
            lines.append("auth: keys are set but auth.enabled is false: every client is let in")
        }
        if !tls.enabled && (tls.certFile ?? tls.keyFile ?? tls.caFile) != nil {
            lines.append("tls: files are set but tls.enabled is false: traffic is not encrypted")
        }
        if isClustered && cluster.token == nil {
            lines.append("cluster.cluster_token is not set: nodes that have a token refuse this one")
        }
        if isClustered && HostPort.isLoopback(nodeAddress.host) && !HostPort.isLoopback(bindAddress) {
            lines.append("cluster: node_address is \(nodeAddress), which other machines cannot reach")
        }
        return lines
    }
}
