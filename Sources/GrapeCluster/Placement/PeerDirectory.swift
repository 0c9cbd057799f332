import GrapeEngine
import GrapeModel

/// Where to reach the other members. The catalog says so; a node that came back elsewhere tells it in its reports before the
/// catalog can know; and where neither leads to anybody, the configuration may: a cluster whose nodes all moved at once finds
/// itself again by `initial_peers`.
package enum PeerDirectory {
    /// A silent node is tried at one address for so long, then at the next.
    private static let turnMilliseconds: UInt64 = 5_000

    package static func addresses(
        _ layout: ClusterLayout, _ view: ClusterView, own: NodeNumber, configured: [PeerAddress], at now: UInt64
    ) -> [NodeNumber: HostPort] {
        var addresses: [NodeNumber: HostPort] = [:]
        for member in layout.members where member.number != own {
            let reported = view.report(member.number)?.raftAddress
            var choices = [reported ?? member.addresses.raft]
            if view.liveness(member.number, at: now) != .alive {
                choices += [member.addresses.raft] + configured.filter { $0.nodeID == member.nodeID }.map(\.address)
            }
            var distinct: [HostPort] = []
            for choice in choices where !distinct.contains(choice) { distinct.append(choice) }
            addresses[member.number] = distinct[Int(now / turnMilliseconds % UInt64(distinct.count))]
        }
        return addresses
    }
}
