import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import Testing

/// When a replica that went may be forgotten. The whole of a move is in `ToyClusterTests`.
@Suite struct MoveDriverTests {
    private let voters = (1...3).map { ReplicaID(node: NodeNumber(UInt32($0)), serial: UInt32($0)) }

    private var layout: ClusterLayout {
        let address = HostPort(host: "node", port: 1)
        let members = (1...4).map { number in
            var member = Member(
                number: NodeNumber(UInt32(number)), nodeID: "node-\(number)", bootID: 1,
                addresses: MemberAddresses(grpc: address, rest: address, raft: address), version: "1",
                catalogSerial: UInt32(number))
            if number == 4 { member.state = .leaving }
            return member
        }
        return ClusterLayout(members: members, placements: [], replicaCount: 3, nextNode: 5, nextSerial: 5)
    }

    private func status(isDurable: Bool) -> GroupStatus {
        GroupStatus(
            group: .catalog, replica: voters[0], role: .leader, isLearner: false, leader: voters[0], term: Term(2),
            commit: LogIndexOfRaft(10), applied: LogIndexOfRaft(10), firstIndex: LogIndexOfRaft(1),
            lastIndex: LogIndexOfRaft(10), configuration: ConfState(voters: voters), progress: [],
            hasCommittedInTerm: true, stalenessMilliseconds: 0, isLost: false, isInstalling: false, elections: 0,
            leaderChanges: 0, failedProposals: 0, isConfigurationDurable: isDurable)
    }

    /// Replica 5 was to come in the place of replica 2, on the same node or on another one, and was given up.
    @Test(arguments: [(2, false), (4, false), (4, true)] as [(UInt32, Bool)])
    func `A move that was given up goes on where its new replica votes in the place of one that is of no use`(
        node: UInt32, isUseless: Bool
    ) {
        let old = voters.map { ReplicaPlace(node: $0.node, serial: $0.serial) }
        let new = ReplicaPlace(node: NodeNumber(node), serial: 5)
        let move = ShardMove(id: 9, adding: nil, removing: new, replaced: old[1], startedAt: 1)
        let placement = ShardPlacement(replicas: old, move: move)
        func isToGoOn(_ ids: [ReplicaID], _ outgoing: [ReplicaID] = []) -> Bool {
            MoveStep.isWronglyGivenUp(placement, ConfState(voters: ids, votersOutgoing: outgoing)) { _ in isUseless }
        }
        let changed = [voters[0], voters[2], ReplicaID(node: new.node, serial: new.serial)]
        #expect(isToGoOn(changed) == (node == 2 || isUseless))
        #expect(!isToGoOn(voters), "the new one never voted")
        #expect(!isToGoOn(changed, voters), "the joint configuration is left first")
    }

    /// Replica 2 is to go, and nobody comes in its place.
    @Test(arguments: [([], false), ([1], true), ([2], false), ([1, 3], true)] as [([UInt32], Bool)])
    func `A move that only removes is hopeless where those that stay could decide nothing`(
        gone: [UInt32], isHopeless: Bool
    ) {
        let places = voters.map { ReplicaPlace(node: $0.node, serial: $0.serial) }
        let move = ShardMove(id: 9, adding: nil, removing: places[1], startedAt: 1)
        let placement = ShardPlacement(replicas: places, move: move)
        func answer(_ voters: [ReplicaID], _ outgoing: [ReplicaID] = []) -> Bool {
            MoveStep.isHopeless(
                placement, ConfState(voters: voters, votersOutgoing: outgoing), isUseless: { _ in false },
                isGone: { gone.contains($0.serial) })
        }
        #expect(answer(voters) == isHopeless)
        #expect(!answer([voters[0], voters[2]]), "it has left already")
        #expect(!answer(voters, voters), "the joint configuration is left first")
    }

    private func report(_ applied: UInt64, isDurable: Bool) -> NodeReport.Group {
        NodeReport.Group(
            group: .catalog, serial: 2, isLeader: false, isLearner: false, isLost: false, isInstalling: false,
            isConfigurationDurable: isDurable, term: 2, applied: applied, points: 0, bytes: 0)
    }

    @Test(arguments: [
        (true, 10, true, true), (true, 9, true, false), (true, 10, false, false), (false, 10, true, false),
    ])
    func `Who leaves is forgotten when a majority has applied that it went, and will know it after a power loss`(
        leaderIsDurable: Bool, applied: UInt64, isDurable: Bool, mayGo: Bool
    ) throws {
        var driver = MoveDriver()
        let member = try #require(layout.member(NodeNumber(4)))
        let isGone = driver.mayRemove(member, status(isDurable: leaderIsDurable), layout) { place in
            place.serial == 2 ? report(applied, isDurable: isDurable) : nil
        }
        #expect(isGone == mayGo)
    }
}
