import GrapeEngine
import GrapeModel
import GrapeTestKit
import Testing

@Suite struct CatalogLayoutTests {
    private static let addresses = MemberAddresses(
        grpc: HostPort(host: "h", port: 6334), rest: HostPort(host: "h", port: 6333),
        raft: HostPort(host: "h", port: 7000))

    private static func admit(_ nodeID: String, boot: UInt64) -> LayoutCommand {
        .admit(nodeID: nodeID, bootID: boot, addresses: addresses, version: "1")
    }

    /// Members 1 to `count`, and one shard with a replica on each of the first three.
    private static func layout(members count: Int) -> ClusterLayout {
        var layout = ClusterLayout(
            members: [], placements: [ShardPlacement(replicas: (1...3).map { place(UInt32($0), 90 + UInt32($0)) })],
            replicaCount: 3, nextNode: 1, nextSerial: 100)
        for number in 1...count { _ = layout.apply(admit("n\(number)", boot: UInt64(number))) }
        return layout
    }

    private static func place(_ node: UInt32, _ serial: UInt32) -> ReplicaPlace {
        ReplicaPlace(node: NodeNumber(node), serial: serial)
    }

    @Test func `A node that asks twice is one member, another directory under its name is none`() {
        var layout = ClusterLayout()
        guard case .member(let first) = layout.apply(Self.admit("a", boot: 7)) else { return #expect(Bool(false)) }
        #expect(first.number == NodeNumber(1))
        #expect(layout.apply(Self.admit("a", boot: 7)) == .member(first))
        #expect(layout.apply(Self.admit("a", boot: 8)) == .otherDirectory(NodeNumber(1)))
        guard case .member(let second) = layout.apply(Self.admit("b", boot: 8)) else { return #expect(Bool(false)) }
        #expect(second.number == NodeNumber(2))
        #expect(second.catalogSerial != first.catalogSerial)
    }

    @Test func `A member that was removed comes back only under another number`() {
        var layout = Self.layout(members: 4)
        #expect(layout.apply(.remove(NodeNumber(4))) == .notFound, "it does not leave")
        #expect(layout.apply(.leave(NodeNumber(4))) == .done)
        #expect(layout.apply(.leave(NodeNumber(4))) == .done)
        #expect(layout.apply(.remove(NodeNumber(4))) == .done)
        #expect(layout.apply(.remove(NodeNumber(4))) == .done)
        #expect(layout.apply(.update(NodeNumber(4), addresses: Self.addresses, version: "2")) == .notFound)
        guard case .member(let again) = layout.apply(Self.admit("n4", boot: 4)) else { return #expect(Bool(false)) }
        #expect(again.number == NodeNumber(5))
    }

    @Test func `A member with replicas is not removed, and the last one can't leave`() {
        var layout = Self.layout(members: 3)
        #expect(layout.apply(.leave(NodeNumber(3))) == .done)
        #expect(layout.apply(.remove(NodeNumber(3))) == .notFound)
        #expect(layout.apply(.leave(NodeNumber(2))) == .done)
        #expect(layout.apply(.leave(NodeNumber(1))) == .lastMember)
        #expect(layout.member(NodeNumber(1))?.state == .member)
    }

    @Test(arguments: [2, 4] as [UInt32])
    func `A move that was given up can be taken up again, and then ends as it was meant to`(node: UInt32) throws {
        var layout = Self.layout(members: 4)
        let lost = Self.place(2, 92)
        #expect(
            layout.apply(.startMove(ShardID(0), adding: NodeNumber(node), removing: lost, startedAt: 1)) == .done)
        let begun = try #require(layout.placements[0].move)
        let new = try #require(begun.adding)
        #expect(layout.apply(.cancelMove(ShardID(0), id: begun.id)) == .done)
        let turned = try #require(layout.placements[0].move)
        #expect(turned.adding == nil && turned.removing == new && layout.placements[0].all.contains(new))
        #expect(layout.apply(.cancelMove(ShardID(0), id: turned.id)) == .done)
        let again = try #require(layout.placements[0].move)
        #expect(again.adding == new && again.removing == lost && again.id > turned.id)
        #expect(layout.apply(.cancelMove(ShardID(0), id: turned.id)) == .notFound, "it may come twice")
        #expect(layout.apply(.finishMove(ShardID(0), id: again.id)) == .done)
        #expect(layout.placements[0].replicas == [Self.place(1, 91), new, Self.place(3, 93)])
    }

    @Test func `A shard has one move at a time, and its steps may come twice`() {
        var layout = Self.layout(members: 4)
        let shard = ShardID(0)
        let start = LayoutCommand.startMove(shard, adding: NodeNumber(4), removing: Self.place(1, 91), startedAt: 5)
        #expect(layout.apply(start) == .done)
        #expect(layout.apply(start) == .notFound)
        let move = layout.placements[0].move
        #expect(move?.adding?.node == NodeNumber(4))
        #expect(layout.placements[0].target == [move?.adding, Self.place(2, 92), Self.place(3, 93)])
        #expect(layout.apply(.finishMove(shard, id: 1)) == .notFound, "of another move")
        #expect(layout.apply(.finishMove(shard, id: move?.id ?? 0)) == .done)
        #expect(layout.apply(.finishMove(shard, id: move?.id ?? 0)) == .notFound)
        #expect(layout.placements[0].replicas.map(\.node.rawValue) == [4, 2, 3])
        #expect(layout.placements[0].move == nil)
    }

    @Test func `A move is refused to a node that has the shard, that leaves or that nobody knows`() {
        var layout = Self.layout(members: 4)
        _ = layout.apply(.leave(NodeNumber(4)))
        func start(_ adding: UInt32?, _ removing: ReplicaPlace?) -> LayoutOutcome {
            layout.apply(
                .startMove(ShardID(0), adding: adding.map { NodeNumber($0) }, removing: removing, startedAt: 0))
        }
        #expect(start(4, Self.place(1, 91)) == .notFound)
        #expect(start(9, Self.place(1, 91)) == .notFound)
        #expect(start(2, Self.place(1, 91)) == .notFound)
        #expect(start(nil, Self.place(1, 17)) == .notFound, "another replica than the one that is there")
        #expect(start(nil, nil) == .notFound)
        #expect(start(1, Self.place(1, 91)) == .done, "renewed on its own node")
    }

    @Test func `Members and placement leave the catalog's version alone`() {
        var catalog = CatalogState()
        _ = catalog.apply(.create(name: "a", vectors: [VectorSchema(dimension: 4)]))
        let version = catalog.version
        _ = catalog.apply(.layout(Self.admit("a", boot: 1)))
        _ = catalog.apply(.layout(.setReplicaCount(5)))
        #expect(catalog.version == version)
        #expect(catalog.layout.members.count == 1)
        #expect(catalog.layout.replicaCount == 5)
    }

    @Test(arguments: 1...40)
    func `Random entries never reuse a number, nor put two replicas of a shard on one node`(seed: UInt64) {
        var random = Xoshiro256(seed: seed)
        var layout = Self.layout(members: 3)
        var serials: Set<UInt32> = []
        var numbers: Set<NodeNumber> = []
        for _ in 0..<400 {
            let before = layout
            let command = Self.randomCommand(layout, &random)
            #expect(LayoutCommand.decoded(command) == command)
            let outcome = layout.apply(command)
            if outcome == .notFound || outcome == .lastMember { #expect(layout == before, "\(command) seed \(seed)") }
            #expect(ClusterLayout(encoded: layout.encoded) == layout)
            for place in layout.placements[0].target where !before.placements[0].all.contains(place) {
                #expect(serials.insert(place.serial).inserted)
            }
            for member in layout.members where before.member(member.number) == nil {
                #expect(numbers.insert(member.number).inserted)
            }
            let nodes = layout.placements[0].target.map(\.node)
            #expect(!nodes.isEmpty && Set(nodes).count == nodes.count, "\(command) seed \(seed)")
            #expect(layout.members.contains { $0.state == .member })
            #expect(layout.placements[0].all.allSatisfy { layout.member($0.node) != nil })
        }
    }

    private static func randomCommand(_ layout: ClusterLayout, _ random: inout Xoshiro256) -> LayoutCommand {
        let number = NodeNumber(UInt32(random.within(1...8)))
        let replicas = layout.placements[0].replicas
        let replica = replicas[random.below(replicas.count)]
        let move = layout.placements[0].move?.id ?? UInt64(random.below(200))
        switch random.below(10) {
        case 0, 1: return admit("n\(random.within(1...6))", boot: UInt64(random.within(1...8)))
        case 2: return .leave(number)
        case 3: return .remove(number)
        case 4: return .update(number, addresses: addresses, version: "\(random.below(3))")
        case 5: return .startMove(ShardID(0), adding: number, removing: replica, startedAt: 1)
        case 6: return .startMove(ShardID(0), adding: random.below(2) == 0 ? number : nil, removing: nil, startedAt: 1)
        case 7: return .startMove(ShardID(UInt16(random.below(2))), adding: nil, removing: replica, startedAt: 1)
        case 8: return random.below(3) == 0 ? .cancelMove(ShardID(0), id: move) : .finishMove(ShardID(0), id: move)
        default:
            return random.below(2) == 0
                ? .setReplicaCount(random.below(5))
                : .renewCatalogReplica(ReplicaPlace(node: number, serial: layout.member(number)?.catalogSerial ?? 1))
        }
    }

    @Test(arguments: 1...20)
    func `Bytes that are cut or altered are read as something else or not at all, and never trap`(seed: UInt64) {
        var random = Xoshiro256(seed: seed)
        var layout = Self.layout(members: 5)
        _ = layout.apply(.startMove(ShardID(0), adding: NodeNumber(4), removing: Self.place(1, 91), startedAt: 5))
        let good = layout.encoded
        for count in good.indices { #expect(ClusterLayout(encoded: Array(good.prefix(count))) == nil) }
        for _ in 0..<2_000 {
            var bytes = good
            for _ in 0..<random.within(1...6) {
                bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            guard var other = ClusterLayout(encoded: bytes) else { continue }
            _ = other.apply(Self.admit("x", boot: 1))
            #expect(ClusterLayout(encoded: other.encoded) == other)
        }
    }

    @Test func `Outcomes come back as they were written`() {
        var layout = ClusterLayout()
        let outcomes: [LayoutOutcome] = [
            .done, .notFound, .lastMember, .otherDirectory(NodeNumber(3)), layout.apply(Self.admit("a", boot: 1)),
        ]
        for outcome in outcomes {
            var bytes: [UInt8] = []
            CatalogOutcome.layout(outcome).encode(into: &bytes)
            var reader = ByteReader(bytes)
            #expect(CatalogOutcome(reader: &reader) == .layout(outcome))
            #expect(reader.isAtEnd)
        }
    }
}

extension LayoutCommand {
    /// Through the bytes of an entry and back.
    fileprivate static func decoded(_ command: LayoutCommand) -> LayoutCommand? {
        guard case .layout(let decoded)? = CatalogCommand(encoded: CatalogCommand.layout(command).encoded) else {
            return nil
        }
        return decoded
    }
}
