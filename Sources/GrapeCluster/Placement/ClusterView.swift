import GrapeEngine
import GrapeModel
import GrapeRaft

/// What the reports of all nodes say together, and how old they are. A value; milliseconds are of any clock that does not
/// jump.
package struct ClusterView: Sendable {
    package enum Liveness: String, Sendable {
        case alive, suspect, dead
    }

    private var reports: [NodeNumber: (report: NodeReport, at: UInt64)] = [:]
    /// When anything else last came from a node.
    private var heard: [NodeNumber: UInt64] = [:]
    /// Members without a report, with the time since when one is awaited.
    private var expected: [NodeNumber: UInt64] = [:]
    /// Reports older than this make a node suspect.
    package var suspectAfter: UInt64
    package var deadAfter: UInt64

    package init(suspectAfter: UInt64, deadAfter: UInt64) {
        self.suspectAfter = suspectAfter
        self.deadAfter = deadAfter
    }

    package mutating func take(_ report: NodeReport, at now: UInt64) {
        reports[report.number] = (report, now)
        expected[report.number] = nil
    }

    package mutating func hear(_ nodes: Set<NodeNumber>, at now: UInt64) {
        for node in nodes { heard[node] = now }
    }

    /// For so long this node itself was not running: what the others said meanwhile lies unread, and they are not older for it.
    package mutating func forgive(_ milliseconds: UInt64) {
        reports = reports.mapValues { ($0.report, $0.at + milliseconds) }
        heard = heard.mapValues { $0 + milliseconds }
        expected = expected.mapValues { $0 + milliseconds }
    }

    /// Only these are members: others are forgotten, and one that never reports is dead some day like one that stopped.
    package mutating func expect(_ members: [NodeNumber], at now: UInt64) {
        for number in members where reports[number] == nil && expected[number] == nil { expected[number] = now }
        reports = reports.filter { members.contains($0.key) }
        expected = expected.filter { members.contains($0.key) }
        heard = heard.filter { members.contains($0.key) }
    }

    package func report(_ number: NodeNumber) -> NodeReport? { reports[number]?.report }

    /// What its node says of a replica; nil where it speaks of another one of that group, or of none.
    package func report(of replica: ReplicaPlace, _ group: LogGroup) -> NodeReport.Group? {
        report(replica.node)?.group(group).flatMap { $0.serial == replica.serial ? $0 : nil }
    }

    /// Milliseconds since the node's last report; nil where there was none.
    package func age(_ number: NodeNumber, at now: UInt64) -> UInt64? {
        reports[number].map { now > $0.at ? now - $0.at : 0 }
    }

    package func liveness(_ number: NodeNumber, at now: UInt64) -> Liveness {
        if let age = age(number, at: now) { return age <= suspectAfter ? .alive : age <= deadAfter ? .suspect : .dead }
        guard let since = expected[number], now > since + deadAfter else { return .suspect }
        return .dead
    }

    /// Whether anything came from the node lately. One that is too busy to report in time still answers on its connections.
    package func isHeard(_ number: NodeNumber, at now: UInt64) -> Bool {
        liveness(number, at: now) == .alive || heard[number].map { now <= $0 + suspectAfter } ?? false
    }

    /// Whether the node was not heard of yet, but has time for it: this one may just have started.
    package func isAwaited(_ number: NodeNumber, at now: UInt64) -> Bool {
        heard[number] == nil && expected[number].map { now <= $0 + suspectAfter } ?? false
    }

    /// The node that says it leads the group, in the newest term of all that say so and are not suspect.
    package func leader(of group: LogGroup, at now: UInt64) -> (node: NodeNumber, report: NodeReport.Group)? {
        var best: (node: NodeNumber, report: NodeReport.Group)?
        for number in reports.keys.sorted() {
            guard liveness(number, at: now) == .alive, let own = report(number)?.group(group), own.isLeader,
                own.term > best?.report.term ?? 0
            else { continue }
            best = (number, own)
        }
        return best
    }

    /// How far each shard is applied on all other nodes that have it or are to have it: the least that they reported last.
    /// Shards of which one has not reported yet are left out.
    package func appliedElsewhere(_ layout: ClusterLayout, seenFrom node: NodeNumber) -> [LogGroup: RaftIndex] {
        var applied: [LogGroup: RaftIndex] = [:]
        for (number, placement) in layout.placements.enumerated() {
            let group = LogGroup.shard(ShardID(UInt16(number)))
            let others = placement.all.filter { $0.node != node }
            let known = others.compactMap { report(of: $0, group)?.applied }
            if known.count == others.count { applied[group] = RaftIndex(known.min() ?? .max) }
        }
        return applied
    }
}
