import GrapeCluster
import GrapeEngine
import GrapeModel
import Testing

@Suite struct ClusterViewTests {
    private let shard = LogGroup.shard(ShardID(0))
    private var view = ClusterView(suspectAfter: 10, deadAfter: 100)

    private static func report(_ node: UInt32, serial: UInt32, applied: UInt64) -> NodeReport {
        let group = NodeReport.Group(
            group: .shard(ShardID(0)), serial: serial, isLeader: false, isLearner: false, isLost: false,
            isInstalling: false, term: 1, applied: applied, points: 0, bytes: 0)
        return NodeReport(
            number: NodeNumber(node), raftAddress: nil, uptimeSeconds: 0, freeBytes: 0, residentBytes: 0, backlog: 7,
            groups: [group])
    }

    @Test func `What all other replicas have applied is known once each has reported`() {
        let layout = ClusterLayout(
            members: [],
            placements: [ShardPlacement(replicas: (1...3).map { ReplicaPlace(node: NodeNumber($0), serial: $0) })],
            replicaCount: 3, nextNode: 5, nextSerial: 5)
        var view = view
        func known(to node: UInt32) -> UInt64? {
            view.appliedElsewhere(layout, seenFrom: NodeNumber(node))[shard]?.rawValue
        }
        view.take(Self.report(1, serial: 1, applied: 50), at: 0)
        view.take(Self.report(2, serial: 2, applied: 40), at: 0)
        #expect(known(to: 1) == nil)
        view.take(Self.report(3, serial: 7, applied: 30), at: 0)
        #expect(known(to: 1) == nil, "it speaks of another replica")
        view.take(Self.report(3, serial: 3, applied: 30), at: 0)
        #expect(known(to: 1) == 30 && known(to: 2) == 30 && known(to: 3) == 40)
    }

    @Test func `A node just started holds it against nobody that it has not heard of them yet`() {
        let node = NodeNumber(1)
        var view = view
        #expect(!view.isAwaited(node, at: 0), "it is no member")
        view.expect([node], at: 0)
        view.expect([node], at: 8)
        #expect(view.isAwaited(node, at: 10) && !view.isAwaited(node, at: 11) && !view.isHeard(node, at: 5))
        view.hear([node], at: 5)
        #expect(view.isHeard(node, at: 5) && !view.isAwaited(node, at: 5))
    }

    @Test func `A node that was heard of without a report is reached, but not alive for long`() {
        let node = NodeNumber(1)
        var view = view
        view.expect([node], at: 0)
        view.take(Self.report(1, serial: 1, applied: 1), at: 5)
        #expect(view.isHeard(node, at: 15) && !view.isHeard(node, at: 16))
        view.hear([node], at: 20)
        #expect(view.isHeard(node, at: 30) && view.liveness(node, at: 30) == .suspect && !view.isHeard(node, at: 31))
        #expect(view.liveness(node, at: 200) == .dead)
    }

    @Test func `Time in which this node stood still makes nobody older`() {
        let (node, silent) = (NodeNumber(1), NodeNumber(2))
        var view = view
        view.expect([node, silent], at: 0)
        view.take(Self.report(1, serial: 1, applied: 1), at: 5)
        view.forgive(1_000)
        #expect(view.liveness(node, at: 1_010) == .alive && view.isHeard(node, at: 1_010))
        #expect(view.liveness(silent, at: 1_090) == .suspect && view.liveness(silent, at: 1_101) == .dead)
    }

    @Test func `A report says the same after it was sent`() {
        let report = Self.report(3, serial: 9, applied: 77)
        #expect(NodeReport(encoded: report.encoded) == report)
    }
}
