import GrapeEngine
import GrapeModel
import GrapeTestKit
import Testing

import GrapeCluster

@Suite struct BootstrapMachineTests {
    private let newCluster = PointID.uuid(high: 0x4000, low: 1 << 63 | 5)

    private static func greeting(
        _ nodeID: String, boot: UInt64, peers: [String] = [], shards: Int = 16
    ) -> Greeting {
        let address = BootstrapWorld.address(nodeID)
        return Greeting(
            nodeID: nodeID, bootID: boot, initialPeers: peers, shardCount: shards,
            addresses: MemberAddresses(grpc: address, rest: address, raft: address), version: "1")
    }

    private static func machine(
        _ nodeID: String, boot: UInt64, peers: [String] = [], seeds: [String] = [], shards: Int = 16
    ) -> BootstrapMachine {
        BootstrapMachine(
            record: MemberRecord(nodeID: nodeID, bootID: boot),
            greeting: greeting(nodeID, boot: boot, peers: peers, shards: shards),
            peers: peers.map { PeerAddress(nodeID: $0, address: BootstrapWorld.address($0)) },
            seeds: seeds.map(BootstrapWorld.address), replicaCount: 3)
    }

    private func address(_ nodeID: String) -> HostPort { BootstrapWorld.address(nodeID) }

    @Test func `The peer with the lowest id founds when all have answered, and not before`() {
        var machine = Self.machine("a", boot: 1, peers: ["a", "b"])
        #expect(machine.asks == [.init(address: address("b"), request: .hello)])
        guard case .wait(let notice) = machine.take([:], newCluster: newCluster) else { return #expect(Bool(false)) }
        #expect(notice.contains("b@b:7000"))
        let hello = [address("b"): BootstrapAnswer.empty(Self.greeting("b", boot: 2, peers: ["a", "b"]))]
        #expect(machine.take(hello, newCluster: newCluster) == .again)
        guard let founded = machine.record.founded else { return #expect(Bool(false)) }
        #expect(!machine.isMember)
        #expect(machine.asks == [.init(address: address("b"), request: .found(founded))])
        #expect(machine.answer(.hello) == .wait("a is founding a cluster"))

        var other = Self.machine("b", boot: 2, peers: ["a", "b"])
        #expect(other.answer(.found(founded)) == .accepted)
        #expect(other.record.number == NodeNumber(2))
        #expect(other.answer(.found(founded)) == .accepted, "the same again")
        #expect(other.answer(.hello) == .member(newCluster))
        #expect(other.take([:], newCluster: newCluster) == .member)

        #expect(machine.take([address("b"): .accepted], newCluster: newCluster) == .member)
        #expect(machine.record.number == NodeNumber(1))
    }

    @Test func `A founder that crashed hands out what it had noted, whatever it hears now`() {
        var machine = Self.machine("a", boot: 1, peers: ["a", "b"])
        let hello = [address("b"): BootstrapAnswer.empty(Self.greeting("b", boot: 2, peers: ["a", "b"]))]
        _ = machine.take(hello, newCluster: newCluster)
        guard let noted = MemberRecord(encoded: machine.record.encoded) else { return #expect(Bool(false)) }
        #expect(noted == machine.record)
        var again = BootstrapMachine(
            record: noted, greeting: machine.greeting, peers: machine.peers, seeds: [], replicaCount: 3)
        #expect(again.asks == machine.asks)
        #expect(again.take(hello, newCluster: .uuid(high: 9, low: 9)) != .member)
        #expect(again.record.founded?.cluster == newCluster)
    }

    @Test func `A directory takes part in one founding only`() {
        var machine = Self.machine("b", boot: 2, seeds: ["a"])
        let layout = InitialLayout.make(
            founders: [Self.greeting("a", boot: 1), Self.greeting("b", boot: 2)], shardCount: 16, replicaCount: 3)
        #expect(machine.answer(.found(FoundedCluster(cluster: newCluster, layout: layout))) == .accepted)
        guard case .refused = machine.answer(.found(FoundedCluster(cluster: .uuid(high: 2, low: 2), layout: layout)))
        else {
            return #expect(Bool(false))
        }
        #expect(machine.record.founded?.cluster == newCluster)
    }

    @Test func `A founding without this directory, or with other shards, is refused`() {
        var machine = Self.machine("b", boot: 2, seeds: ["a"])
        let founders = [Self.greeting("a", boot: 1), Self.greeting("b", boot: 99)]
        let foreign = InitialLayout.make(founders: founders, shardCount: 16, replicaCount: 3)
        guard case .refused = machine.answer(.found(FoundedCluster(cluster: newCluster, layout: foreign))) else {
            return #expect(Bool(false))
        }
        let cut = InitialLayout.make(founders: [Self.greeting("b", boot: 2)], shardCount: 8, replicaCount: 3)
        guard case .refused(let reason) = machine.answer(.found(FoundedCluster(cluster: newCluster, layout: cut)))
        else {
            return #expect(Bool(false))
        }
        #expect(reason.contains("sharding.shard_count = 8"))
        #expect(machine.record == MemberRecord(nodeID: "b", bootID: 2))
    }

    @Test func `Lists, names and shard counts that differ stop the founding by name`() {
        func reason(_ answer: Greeting) -> String? {
            var machine = Self.machine("a", boot: 1, peers: ["a", "b"])
            guard case .fail(let reason) = machine.take([address("b"): .empty(answer)], newCluster: newCluster) else {
                return nil
            }
            return reason
        }
        #expect(reason(Self.greeting("b", boot: 2, peers: ["a", "b", "c"]))?.contains("a, b, c") == true)
        #expect(reason(Self.greeting("x", boot: 2))?.contains("node_id x") == true)
        #expect(reason(Self.greeting("b", boot: 2, shards: 4))?.contains("shard_count is 16 on a and 4 on b") == true)
        #expect(reason(Self.greeting("b", boot: 2)) == nil, "a joiner counts")
        #expect(Self.machine("z", boot: 1, peers: ["a", "b"]).flaw != nil)
    }

    @Test func `A peer that knows a cluster ends the founding, also where another one's answer has a flaw`() {
        var machine = Self.machine("a", boot: 1, peers: ["a", "b", "c"])
        let answers: [HostPort: BootstrapAnswer] = [
            address("b"): .empty(Self.greeting("b", boot: 2, peers: ["b"])), address("c"): .member(newCluster),
        ]
        #expect(machine.take(answers, newCluster: newCluster) == .again)
        #expect(machine.asks == [.init(address: address("c"), request: .join(machine.greeting))])
        #expect(machine.take([address("c"): .redirect(address("b"))], newCluster: newCluster) == .again)
        #expect(machine.asks.map(\.address) == [address("b")])
        guard case .wait = machine.take([:], newCluster: newCluster) else { return #expect(Bool(false)) }
        #expect(machine.asks.map(\.request) == [.hello, .hello], "then it asks everybody again")
        #expect(machine.record.founded == nil)
    }

    @Test func `Without peers and seeds a node founds alone, at once`() {
        var machine = Self.machine("a", boot: 1)
        #expect(machine.asks.isEmpty)
        #expect(machine.take([:], newCluster: newCluster) == .again)
        #expect(machine.take([:], newCluster: newCluster) == .member)
        #expect(machine.cluster?.layout.placements.count == 16)
    }

    @Test func `A member whose store was damaged neither founds nor is founded with: it asks to be taken back`() {
        var machine = BootstrapMachine(
            record: MemberRecord(nodeID: "a", bootID: 9),
            greeting: Self.greeting("a", boot: 9, peers: ["a", "b", "c"]),
            peers: ["a", "b", "c"].map { PeerAddress(nodeID: $0, address: BootstrapWorld.address($0)) }, seeds: [],
            replicaCount: 3, replacing: 4)
        let rejoin = BootstrapRequest.rejoin(machine.greeting, replacing: 4)
        #expect(machine.asks == [.init(address: address("b"), request: rejoin)])
        guard case .wait = machine.answer(.hello) else { return #expect(Bool(false)) }
        var founder = Self.machine("b", boot: 2, peers: ["b", "a"])
        let hello = [address("a"): BootstrapAnswer.empty(Self.greeting("a", boot: 9, peers: ["a", "b"]))]
        _ = founder.take(hello, newCluster: newCluster)
        _ = founder.take([:], newCluster: newCluster)
        if let founded = founder.record.founded {
            guard case .refused = machine.answer(.found(founded)) else { return #expect(Bool(false)) }
        }
        // The others are asked in turn, as long as it takes; where nobody answers, nothing is founded.
        for peer in ["c", "b", "c"] {
            guard case .wait = machine.take([:], newCluster: newCluster) else { return #expect(Bool(false)) }
            #expect(machine.asks == [.init(address: address(peer), request: rejoin)])
        }
        #expect(machine.record.founded == nil && !machine.isMember)
        #expect(machine.take([address("c"): .redirect(address("b"))], newCluster: newCluster) == .again)
        #expect(machine.asks == [.init(address: address("b"), request: rejoin)])
    }

    @Test func `A joiner with another shard count is told which one to set`() {
        var machine = Self.machine("d", boot: 4, seeds: ["a"], shards: 8)
        let layout = InitialLayout.make(founders: [Self.greeting("a", boot: 1)], shardCount: 16, replicaCount: 3)
        let admitted = BootstrapAnswer.admitted(FoundedCluster(cluster: newCluster, layout: layout), NodeNumber(2))
        guard case .fail(let reason) = machine.take([address("a"): admitted], newCluster: newCluster) else {
            return #expect(Bool(false))
        }
        #expect(reason.contains("sharding.shard_count = 16"))
        #expect(machine.record.number == nil)
    }

    @Test(arguments: 1...20)
    func `Messages that are cut or altered never trap`(seed: UInt64) {
        var random = Xoshiro256(seed: seed)
        let layout = InitialLayout.make(
            founders: (1...3).map { Self.greeting("n\($0)", boot: UInt64($0)) }, shardCount: 4, replicaCount: 3)
        let founded = FoundedCluster(cluster: newCluster, layout: layout)
        let requests: [BootstrapRequest] = [
            .hello, .found(founded), .join(Self.greeting("x", boot: 1)),
            .rejoin(Self.greeting("x", boot: 1), replacing: 5), .layout,
        ]
        let answers: [BootstrapAnswer] = [
            .empty(Self.greeting("x", boot: 1, peers: ["x", "y"])), .member(newCluster), .accepted,
            .admitted(founded, NodeNumber(4)), .redirect(address("b")), .wait("w"), .refused("r"), .founded(founded),
            .layout(layout),
        ]
        for bytes in requests.map(\.encoded) + answers.map(\.encoded) {
            for count in bytes.indices {
                #expect(BootstrapRequest(encoded: Array(bytes.prefix(count))) == nil || bytes[0] < 0x10)
                #expect(BootstrapAnswer(encoded: Array(bytes.prefix(count))) == nil)
            }
            for _ in 0..<200 {
                var altered = bytes
                altered[random.below(altered.count)] = UInt8(truncatingIfNeeded: random.next())
                if let request = BootstrapRequest(encoded: altered) { #expect(request.encoded == altered) }
                if let answer = BootstrapAnswer(encoded: altered) { _ = answer.encoded }
            }
        }
        for request in requests { #expect(BootstrapRequest(encoded: request.encoded) == request) }
        for answer in answers { #expect(BootstrapAnswer(encoded: answer.encoded) == answer) }
    }
}
