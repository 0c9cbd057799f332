import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeTestKit
import Synchronization
import Testing

/// Rows get to replicas that are too far behind, whatever happens on the way (RAFT.md 20, 21).
@Suite struct SnapshotServiceTests {
    private static let first = LogGroup.shard(ShardID(0))
    private static let second = LogGroup.shard(ShardID(1))

    private func isBlock(_ body: [UInt8]) -> Bool { body.first == 0x21 }
    private func number(_ body: [UInt8]) -> UInt32 { body.span.uint32LittleEndian(at: 19) }

    // MARK: Faults

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Over a link that loses, doubles and reorders, all groups arrive as they were sent`(seed: UInt64) async throws
    {
        let world = try SnapshotWorld(seed: seed)
        try SnapshotWorld.fill(world[1].engine)
        world.link.set(.init(lostRequests: 15, lostAnswers: 15, doubled: 20, late: 25))
        let groups = LogGroup.all(shardCount: SnapshotWorld.shards)
        for group in groups { world.send(group) }
        for group in groups { #expect(try await world.report(group)) }
        for shard in 0..<2 as Range<UInt16> {
            let digest = try world.digest(1, shard)
            #expect(digest.points > 0)
            #expect(try world.digest(2, shard) == digest)
            #expect(try world.generations(2, shard).count == 1)
            #expect(world[2].engine.appliedIndex(of: .shard(ShardID(shard))).rawValue == digest.points)
        }
        #expect(world[2].engine.collections.map(\.schema.name) == ["c"])
        #expect(try world[2].engine.pointCount(CollectionID(1)) == 1_400)
        #expect(Set(world[2].target.installs) == Set(groups))
        #expect(world[1].service.transfers.isEmpty)
        try await world.stopAll()
    }

    @Test func `A receiver that starts again in the middle goes on with what it has`() async throws {
        let world = try SnapshotWorld()
        try SnapshotWorld.fill(world[1].engine)
        let isDone = Mutex(false)
        world.link.before { number in
            guard number == 3, !isDone.withLock({ $0 }) else { return }
            isDone.withLock { $0 = true }
            try? await world.stop(2)
            try? world.start(NodeNumber(2))
        }
        world.send(Self.first)
        #expect(try await world.report(Self.first))
        #expect(try world.digest(2, 0) == world.digest(1, 0))
        let blocks = world.link.takeCarried().filter(isBlock).map(number)
        // The block that met nobody is the only one that may have been sent twice.
        #expect(Set(blocks).count >= 3)
        #expect(blocks.count <= Set(blocks).count + 1)
        try await world.stopAll()
    }

    @Test func `A sender that gave up goes on with what the receiver has, nothing having been written`() async throws {
        let world = try SnapshotWorld { $0.patience = .milliseconds(200) }
        try SnapshotWorld.fill(world[1].engine)
        world.link.before { [link = world.link] number in if number == 3 { link.cut(true) } }
        world.send(Self.first)
        #expect(try await world.report(Self.first) == false)
        world.link.before(nil)
        #expect(world.link.takeCarried().filter(isBlock).map(number) == [0, 1])
        world.link.cut(false)
        world.send(Self.first)
        #expect(try await world.report(Self.first))
        #expect(world.link.takeCarried().filter(isBlock).map(number).first == 2)
        #expect(try world.digest(2, 0) == world.digest(1, 0))
        try await world.stopAll()
    }

    @Test func `Where the last answer is lost the rows are installed once, and the sender hears of it`() async throws {
        let world = try SnapshotWorld()
        try SnapshotWorld.fill(world[1].engine, points: 10)
        // Begin, the block, the footer.
        world.link.before { [link = world.link] number in
            link.set(.init(lostAnswers: number == 2 ? 100 : 0))
        }
        world.send(Self.first)
        #expect(try await world.report(Self.first))
        #expect(world[2].target.installs == [Self.first])
        try await world.stopAll()
    }

    // MARK: Refusals

    @Test func `Headers of another cluster or group begin nothing, and harm no transfer under way`() async throws {
        let world = try SnapshotWorld(nodes: 3)
        try SnapshotWorld.fill(world[1].engine)
        let foreign = try ShardExport(
            of: Self.first, cluster: [UInt8](repeating: 9, count: 16), shardCount: 2, database: world[1].engine.database
        )
        let own = try ShardExport(
            of: Self.first, cluster: SnapshotWorld.cluster, shardCount: 2, database: world[1].engine.database)
        let headers = [foreign.header.encoded, own.header.encoded]
        for export in [foreign, own] { export.close() }
        let answers = Mutex<[UInt8?]>([])
        world.link.before { number in
            guard number == 3 else { return }
            for header in headers {
                let body = begin(Self.second, from: 3, to: 2, header)
                let answer = await world[2].service.answer(body, from: NodeNumber(3))
                answers.withLock { $0.append(answer.first) }
            }
        }
        world.send(Self.first)
        #expect(try await world.report(Self.first))
        #expect(answers.withLock { $0 } == [0x22, 0x22])
        #expect(try world.digest(2, 0) == world.digest(1, 0))
        #expect(try world.rows(2, 0) == Int(world.digest(1, 0).points))
        #expect(try world.generations(2, 0).count == 1)
        #expect(try world.generations(2, 1).isEmpty)
        try await world.stopAll()
    }

    @Test func `A replica that is not there keeps nobody waiting for ever, nor the others`() async throws {
        let world = try SnapshotWorld {
            $0.patience = .milliseconds(150)
            $0.outgoingMax = 1
        }
        try SnapshotWorld.fill(world[1].engine, points: 20)
        world[2].target.drop(Self.first)
        world.send(Self.first)
        world.send(Self.second)
        #expect(try await world.report(Self.first) == false)
        #expect(try await world.report(Self.second))
        try await world.stopAll()
    }

    @Test func `What consensus does not take is thrown away, and the sender hears of it`() async throws {
        let world = try SnapshotWorld()
        try SnapshotWorld.fill(world[1].engine, points: 50)
        world[2].target.refuse()
        world.send(Self.first)
        #expect(try await world.report(Self.first) == false)
        #expect(try world.generations(2, 0).isEmpty)
        #expect(world[2].target.installs.isEmpty)
        try await world.stopAll()
    }

    @Test func `A snapshot for another replica than the one there is refused, and so is one in another's name`()
        async throws
    {
        let world = try SnapshotWorld()
        try SnapshotWorld.fill(world[1].engine, points: 10)
        let export = try ShardExport(
            of: Self.first, cluster: SnapshotWorld.cluster, shardCount: 2, database: world[1].engine.database)
        let header = export.header.encoded
        export.close()
        let service = world[2].service
        #expect(await service.answer(begin(Self.first, from: 1, to: 3, header), from: NodeNumber(1)).first == 0x22)
        #expect(await service.answer(begin(Self.first, from: 1, to: 2, header), from: NodeNumber(3)).first == 0x22)
        #expect(await service.answer(begin(Self.first, from: 1, to: 2, header), from: NodeNumber(1)).first == 0x20)
        try await world.stopAll()
    }

    @Test func `Requests of hostile bytes get an answer and change nothing`() async throws {
        let world = try SnapshotWorld()
        try SnapshotWorld.fill(world[1].engine, points: 40)
        world.send(Self.first)
        #expect(try await world.report(Self.first))
        let valid = world.link.takeCarried()
        let digest = try world.digest(2, 0)
        var random = Xoshiro256(seed: 5)
        for _ in 0..<2_000 {
            var body = valid[random.below(valid.count)]
            for _ in 0..<random.within(1...4) {
                switch random.below(3) {
                case 0: body[random.below(min(body.count, 120))] ^= 1 << UInt8(random.below(8))
                case 1: body.removeLast(random.below(body.count))
                default: body.insert(UInt8(random.below(256)), at: random.below(min(body.count, 60)))
                }
                if body.isEmpty { body = [0x21] }
            }
            let answer = await world[2].service.answer(body, from: NodeNumber(1))
            #expect((0x20...0x24).contains(answer[0]))
        }
        #expect(try world.digest(2, 0) == digest)
        #expect(world[2].target.installs == [Self.first])
        try await world.stopAll()
    }

    // MARK: Bounds

    @Test func `No more transfers run at once than the options say, and their figures grow`() async throws {
        let world = try SnapshotWorld(nodes: 4) { $0.outgoingMax = 2 }
        try SnapshotWorld.fill(world[1].engine)
        let seen = Mutex<[SnapshotTransfer]>([])
        let service = world[1].service
        world.link.before { _ in
            let transfers = seen.withLock { seen in
                let now = service.transfers
                seen += now
                return now
            }
            #expect(transfers.count <= 2)
        }
        for to in 2...4 as ClosedRange<UInt32> { world.send(Self.first, to: to) }
        let end = ContinuousClock.now + .seconds(60)
        while (2...4 as ClosedRange<UInt32>).contains(where: { world[$0].target.installs.isEmpty }) {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(world.link.mostUnderWay <= 2)
        let own = seen.withLock { $0 }.filter { $0.to == SnapshotWorld.replica(Self.first, on: 2) }
        #expect(own.map(\.bytes) == own.map(\.bytes).sorted())
        #expect(own.contains { $0.points > 0 && $0.points < $0.totalPoints })
        #expect(try own.last?.totalPoints == world.digest(1, 0).points)
        try await world.stopAll()
    }

    @Test func `Blocks leave no faster than the rate`() async throws {
        let world = try SnapshotWorld { $0.bytesPerSecond = 4 << 20 }
        try SnapshotWorld.fill(world[1].engine)
        let start = ContinuousClock.now
        world.send(Self.first)
        #expect(try await world.report(Self.first))
        let bytes = world.link.takeCarried().dropLast().reduce(0) { $0 + $1.count }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        #expect(Double(bytes) / seconds < 1.5 * Double(4 << 20))
        try await world.stopAll()
    }

    @Test func `A node that stops in the middle of its transfers does so at once`() async throws {
        let world = try SnapshotWorld { $0.bytesPerSecond = 1 << 12 }
        try SnapshotWorld.fill(world[1].engine)
        for group in [Self.first, Self.second] { world.send(group) }
        let end = ContinuousClock.now + .seconds(60)
        while world[1].service.transfers.count < 2 {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(1))
        }
        let start = ContinuousClock.now
        try await world.stopAll()
        #expect(ContinuousClock.now - start < .seconds(60))
    }
}

/// The request by which a transfer begins, as bytes.
private func begin(_ group: LogGroup, from: UInt32, to: UInt32, _ header: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0x20]
    bytes.appendLittleEndian(group.number)
    bytes.appendLittleEndian(SnapshotWorld.replica(group, on: from).rawValue)
    bytes.appendLittleEndian(SnapshotWorld.replica(group, on: to).rawValue)
    bytes.appendLittleEndian(UInt64(2))
    return bytes + header
}
