import GrapeRaft

/// How the replicas of one group stood after a round of reads had begun, and what follows from it.
///
/// A replica that was still in term t after the round began had voted in no later term before it. So where the leader of
/// t and a majority of its voters were in t, no later leader had been elected when the round began, and what that leader
/// has committed holds everything that was committed before. That is what a round of heartbeats would show (thesis 6.4);
/// here the asking replica's own word counts too, so that of three replicas two settle it with one message each way.
struct ReadTally {
    private var standings: [ReadExchange.Standing] = []
    /// Whether it was asked for and has no result yet.
    private(set) var isOpen = false

    /// Begins anew, with the word of the replica that asks.
    mutating func begin(_ own: ReadExchange.Standing) {
        standings.removeAll(keepingCapacity: true)
        standings.append(own)
        isOpen = true
    }

    mutating func end() { isOpen = false }

    /// The first word of a replica counts.
    mutating func add(_ standing: ReadExchange.Standing) {
        if !standings.contains(where: { $0.replica == standing.replica }) { standings.append(standing) }
    }

    /// The index that a read of this round has to wait for; nil while that is open.
    var index: RaftIndex? {
        let newest = standings.filter { $0.lead != nil }.max { $0.term < $1.term }
        guard let newest, let lead = newest.lead else { return nil }
        let isSettled = lead.configuration.hasMajority { voter in
            standings.contains { $0.replica == voter && $0.term == newest.term }
        }
        return isSettled ? lead.commit : nil
    }
}
