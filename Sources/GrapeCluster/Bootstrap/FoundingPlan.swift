import GrapeModel

/// What a node without a cluster does next, from what the others answered. Pure: the rules of RAFT.md 17.
///
/// 1. Of `initial_peers` the one with the lowest node id founds, and only when every one of them has answered that it is
///    empty and waits.
/// 2. A peer that knows a cluster ends the founding: this node asks to join there.
/// 3. Lists of peers, and shard counts, that differ are refused by name.
package enum FoundingPlan {
    package enum Step: Hashable {
        case wait(String)
        case join(HostPort)
        /// With these, in the order of their node ids.
        case found([Greeting])
        case fail(String)
    }

    /// - Parameters:
    ///   - own: This node.
    ///   - peers: `initial_peers`, this node among them.
    ///   - answers: What each of the others said, by address; none where it did not answer.
    package static func next(_ own: Greeting, peers: [PeerAddress], answers: [HostPort: BootstrapAnswer]) -> Step {
        let others = peers.filter { $0.nodeID != own.nodeID }
        for peer in others {
            if case .member = answers[peer.address] { return .join(peer.address) }
        }
        var greetings = [own]
        var silent: [String] = []
        for peer in others {
            guard case .empty(let greeting) = answers[peer.address] else {
                silent.append(peer.description)
                continue
            }
            if let flaw = flaw(greeting, at: peer, own) { return .fail(flaw) }
            greetings.append(greeting)
        }
        guard silent.isEmpty else {
            return .wait(
                "the cluster is founded when all initial_peers have answered; waiting for "
                    + silent.joined(separator: ", "))
        }
        greetings.sort { $0.nodeID < $1.nodeID }
        guard greetings[0].nodeID == own.nodeID else {
            return .wait("waiting for \(greetings[0].nodeID) to found the cluster")
        }
        return .found(greetings)
    }

    private static func flaw(_ other: Greeting, at peer: PeerAddress, _ own: Greeting) -> String? {
        if other.nodeID != peer.nodeID {
            return "initial_peers says \(peer), but the node there has node_id \(other.nodeID)"
        }
        if !other.initialPeers.isEmpty, other.initialPeers != own.initialPeers {
            return "initial_peers of \(own.nodeID) names \(own.initialPeers.joined(separator: ", ")), that of "
                + "\(other.nodeID) names \(other.initialPeers.joined(separator: ", ")): they must be the same"
        }
        if other.shardCount != own.shardCount {
            return "shard_count is \(own.shardCount) on \(own.nodeID) and \(other.shardCount) on \(other.nodeID): "
                + "it must be the same"
        }
        return nil
    }
}
