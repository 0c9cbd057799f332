import GrapeEngine
import GrapeModel
import GrapeRaft

/// Who votes in the catalog's group, of which every member keeps a replica: up to five, and an odd number of them where
/// there are more than two. The others learn.
package enum CatalogSeats {
    package static let votersMax = 5

    package static func votersCount(members: Int) -> Int {
        let count = min(votersMax, members)
        return count > 2 && count % 2 == 0 ? count - 1 : count
    }

    /// The members with a replica of the catalog: one that leaves loses it when it holds nothing else.
    package static func members(_ layout: ClusterLayout) -> [Member] {
        layout.members.filter { $0.state == .member || layout.holdsReplicas($0.number) }
    }

    /// - Parameter voting: Who votes now: they stay, unless they are dead or leave and somebody else can vote.
    package static func next(
        _ layout: ClusterLayout, voting: [ReplicaID], isDead: (NodeNumber) -> Bool
    ) -> (voters: Set<ReplicaID>, learners: Set<ReplicaID>) {
        let ranked = members(layout).map { member in
            // A replica that takes the place of one on the same node inherits its seat.
            (
                replica: ReplicaID(node: member.number, serial: member.catalogSerial),
                isGoing: member.state == .leaving || isDead(member.number),
                isSeated: voting.contains { $0.node == member.number }
            )
        }
        // Who is dead and has no seat gets none: it could never take it.
        let candidates = ranked.filter { $0.isSeated || !$0.isGoing }.sorted {
            ($0.isGoing ? 1 : 0, $0.isSeated ? 0 : 1, $0.replica) < (
                $1.isGoing ? 1 : 0, $1.isSeated ? 0 : 1, $1.replica
            )
        }
        let voters = Set(candidates.prefix(votersCount(members: candidates.count)).map(\.replica))
        return (voters, Set(ranked.map(\.replica)).subtracting(voters))
    }
}
