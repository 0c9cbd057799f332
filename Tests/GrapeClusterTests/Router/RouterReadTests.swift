import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Synchronization
import Testing

/// Searches and reads of shards that other nodes hold.
@Suite struct RouterReadTests {
    private func shards(_ numbers: [UInt16]) -> ShardSet { ShardSet(numbers.map { ShardID($0) }) }

    private func request(_ change: (inout SearchRequest) -> Void = { _ in }) -> SearchRequest {
        var request = SearchRequest(vector: [0, 0], limit: 5)
        change(&request)
        return request
    }

    /// A point of each shard asked for, with its number as the score, and the node as its id's second part.
    private func found(_ shards: ShardSet, _ node: NodeNumber) -> PeerAnswer {
        let points = shards.sorted.map { shard in
            ScoredPoint(
                id: WrittenID(number: UInt64(shard.rawValue) * 100 + UInt64(node.rawValue)),
                score: Float(shard.rawValue), payload: nil)
        }
        return .found(points.reversed(), stalenessMilliseconds: Int(node.rawValue) * 10)
    }

    private func ids(_ answer: ReadAnswer<[ScoredPoint]>) -> [UInt64] {
        answer.value.map { if case .integer(let number) = $0.id.id { number } else { .max } }
    }

    private func collection(_ world: RouterWorld) throws -> Collection {
        try #require(world.engine.collection(RouterWorld.collection))
    }

    private func search(
        _ world: RouterWorld, _ request: SearchRequest, seconds: Double = 60
    ) async throws(GrapeError) -> ReadAnswer<[ScoredPoint]> {
        guard let collection = world.engine.collection(RouterWorld.collection) else {
            throw GrapeError(.collectionNotFound, "c")
        }
        return try await world.router.search(
            request, collection, fresh: world.cluster.current.own, pool: world.pool,
            deadline: .now + .milliseconds(Int(seconds * 1_000)))
    }

    // MARK: Covers

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `A cover has every shard once, from a holder, this node's own first, and no smaller one exists`(
        seed: UInt64
    ) throws {
        var random = Xoshiro256(seed: seed)
        for _ in 0..<300 {
            let nodes = random.within(1...7)
            var holders: [ShardID: [NodeNumber]] = [:]
            for shard in 0..<random.within(1...16) {
                let all = (1...UInt32(nodes)).map { NodeNumber($0) }.shuffled(using: &random)
                holders[ShardID(UInt16(shard))] = Array(all.prefix(random.within(1...min(3, nodes))))
            }
            let first = NodeNumber(UInt32(random.within(1...nodes)))
            let cover = try #require(SearchCover.find(holders, first: first))
            for (shard, own) in holders {
                let answering = cover.filter { $0.value.contains(shard) }.map(\.key)
                #expect(answering.count == 1 && own.contains(answering[0]))
                if own.contains(first) { #expect(answering == [first]) }
            }
            #expect(cover.values.allSatisfy { !$0.isEmpty })
            #expect(cover.count == smallest(holders, nodes: nodes, first: first))
        }
    }

    /// Of all sets of nodes, with this one if it holds anything.
    private func smallest(_ holders: [ShardID: [NodeNumber]], nodes: Int, first: NodeNumber) -> Int {
        let masks = holders.values.map { $0.reduce(UInt64(0)) { $0 | 1 << UInt64($1.rawValue) } }
        let own = UInt64(1) << UInt64(first.rawValue)
        let needed: UInt64 = masks.contains { $0 & own != 0 } ? own : 0
        return (0..<(UInt64(1) << UInt64(nodes + 1))).filter { set in
            set & needed == needed && masks.allSatisfy { $0 & set != 0 }
        }.map(\.nonzeroBitCount).min() ?? .max
    }

    @Test func `A shard without holder has no cover, and large clusters have one in no time`() throws {
        #expect(SearchCover.find([ShardID(0): [NodeNumber(1)], ShardID(1): []], first: NodeNumber(1)) == nil)
        var random = Xoshiro256(seed: 9)
        var holders: [ShardID: [NodeNumber]] = [:]
        for shard in 0..<1_024 as Range<UInt16> {
            holders[ShardID(shard)] = (0..<3).map { _ in NodeNumber(UInt32(random.within(1...100))) }
        }
        let start = ContinuousClock.now
        let cover = try #require(SearchCover.find(holders, first: NodeNumber(1)))
        #expect(ContinuousClock.now - start < .seconds(30))
        #expect(cover.values.reduce(0) { $0 + $1.count } == 1_024)
    }

    // MARK: Searches

    @Test func `The fewest nodes answer, each for its shards; the best of all come in order, page by page`()
        async throws
    {
        let world = try RouterWorld()
        world.holders([0: [2, 3], 1: [2], 2: [3], 3: [3, 2]])
        let asked = Mutex<[UInt32: ShardSet]>([:])
        world.peers.play { request, node throws(PeerFailure) in
            guard case .search(_, let shards, let part) = request else { return .unreadable }
            #expect(part.limit == 3 && part.offset == 0 && part.consistency == .strong)
            asked.withLock { $0[node.rawValue] = shards }
            return found(shards, node)
        }
        let page = try await search(
            world,
            request {
                $0.limit = 2
                $0.offset = 1
            })
        #expect(asked.withLock { $0 } == [2: shards([0, 1, 3]), 3: shards([2])])
        #expect(ids(page) == [102, 203])
        #expect(page.stalenessMilliseconds == 30)
        #expect(world.peers.asked.allSatisfy { $0.lane == .quick })
        try await world.close()
    }

    @Test func `A node that fails in the middle is replaced, and no shard is missing or there twice`() async throws {
        let behind = GrapeError(.collectionNotFound, "not yet")
        let away = GrapeError(.unavailable, "installing")
        let damaged = GrapeError(.damaged, "a block")
        for kind in 0..<6 {
            let world = try RouterWorld()
            world.holders([0: [2, 3], 1: [2, 3], 2: [2, 4], 3: [4, 3]])
            world.peers.play { request, node throws(PeerFailure) in
                guard case .search(_, let shards, _) = request else { return .unreadable }
                guard node == NodeNumber(2) else { return found(shards, node) }
                switch kind {
                case 0: throw PeerFailure(mayHaveArrived: true, message: "broke")
                case 1: return .failed(away)
                case 2: return .failed(behind)
                case 3: return .unreadable
                case 4: return .failed(damaged)
                default: return .count(3)
                }
            }
            let answer = try await search(world, request())
            #expect(ids(answer).map { $0 / 100 } == [0, 1, 2, 3])
            #expect(Set(ids(answer).map { $0 % 100 }) == [3, 4])
            #expect(world.peers.nodes.filter { $0 == 2 }.count == 1)
            try await world.close()
        }
    }

    @Test func `Where no holder is left it is 503, and an error that all would give comes through`() async throws {
        let world = try RouterWorld()
        world.holders([0: [2], 1: [3], 2: [2], 3: [2]])
        world.peers.play { request, node throws(PeerFailure) in
            guard case .search(_, let shards, _) = request, node == NodeNumber(2) else {
                throw PeerFailure(mayHaveArrived: false, message: "gone")
            }
            return found(shards, node)
        }
        await #expect(throws: GrapeError.self) { try await search(world, request()) }
        do throws(GrapeError) {
            _ = try await search(world, request())
        } catch {
            #expect(error.code == .unavailable && error.retryAfterSeconds == 1)
        }
        world.peers.play { _, _ throws(PeerFailure) in .failed(GrapeError(.overloaded, "full", retryAfterSeconds: 4)) }
        do throws(GrapeError) {
            _ = try await search(world, request())
            Issue.record("there was an answer")
        } catch {
            #expect(error.code == .overloaded && error.retryAfterSeconds == 4)
        }
        world.peers.play { _, _ throws(PeerFailure) in .failed(GrapeError(.damaged, "a block")) }
        do throws(GrapeError) {
            _ = try await search(world, request())
            Issue.record("there was an answer")
        } catch {
            #expect(error.code == .damaged, "nobody has it without damage")
        }
        world.holders([0: [2], 1: [], 2: [2], 3: [2]])
        await #expect(throws: GrapeError.self) { try await search(world, request()) }
        try await world.close()
    }

    @Test func `What this node can't answer for any more is asked of others`() async throws {
        let world = try RouterWorld()
        // It believes that it holds all shards; its engine holds none.
        world.holders([0: [1, 2], 1: [1, 2], 2: [1, 2], 3: [1, 2]], own: [0, 1, 2, 3])
        world.peers.play { request, node throws(PeerFailure) in
            switch request {
            case .search(_, let shards, _): return found(shards, node)
            case .count(_, let shards): return .count(10 * shards.count)
            default: return .unreadable
            }
        }
        #expect(ids(try await search(world, request { $0.consistency = .eventual })) == [2, 102, 202, 302])
        #expect(try await world.router.pointCount(RouterWorld.collection, deadline: .now + .seconds(60)) == 40)
        try await world.close()
    }

    // MARK: Counts and points

    @Test func `Points are counted by whoever answers, each shard once`() async throws {
        let world = try RouterWorld()
        world.holders([0: [2, 3], 1: [2, 3], 2: [3], 3: [2, 4]])
        world.peers.play { request, node throws(PeerFailure) in
            guard case .count(_, let shards) = request, node != NodeNumber(2) else {
                throw PeerFailure(mayHaveArrived: true, message: "broke")
            }
            return .count(shards.sorted.reduce(0) { $0 + 1 << Int($1.rawValue) })
        }
        #expect(try await world.router.pointCount(RouterWorld.collection, deadline: .now + .seconds(60)) == 15)
        world.peers.answers { _ in [6] + [UInt8](repeating: 0xff, count: 7) + [0x7f] }
        await #expect(throws: GrapeError.self) {
            try await world.router.pointCount(RouterWorld.collection, deadline: .now + .seconds(60))
        }
        try await world.close()
    }

    @Test func `A point is asked of one holder after the other, strong or not, until one answers`() async throws {
        let world = try RouterWorld()
        let shard = RouterWorld.shard(7)
        world.holders([shard.rawValue: [2, 3, 4]])
        let point = Point(id: WrittenID(number: 7), vectors: [NamedVector(values: [1, 2])])
        let consistencies = Mutex<[Consistency]>([])
        world.peers.play { request, node throws(PeerFailure) in
            guard case .point(_, .integer(7), let consistency) = request else { return .unreadable }
            consistencies.withLock { $0.append(consistency) }
            switch node.rawValue {
            case 2: throw PeerFailure(mayHaveArrived: true, message: "broke")
            case 3: return .failed(GrapeError(consistency == .strong ? .unavailable : .damaged, "not here"))
            default: return .point(consistency == .strong ? point : nil, stalenessMilliseconds: 12)
            }
        }
        for consistency in [Consistency.strong, .eventual] {
            let answer = try await world.router.point(
                .integer(7), RouterWorld.collection, shard, consistency, deadline: .now + .seconds(60))
            #expect(answer.value == (consistency == .strong ? point : nil))
            #expect(answer.stalenessMilliseconds == 12)
        }
        #expect(consistencies.withLock { $0 } == [.strong, .strong, .strong, .eventual, .eventual, .eventual])
        world.holders([shard.rawValue: []])
        let start = ContinuousClock.now
        await #expect(throws: GrapeError.self) {
            try await world.router.point(
                .integer(7), RouterWorld.collection, shard, .strong, deadline: .now + .milliseconds(200))
        }
        #expect(ContinuousClock.now - start < .seconds(60))
        try await world.close()
    }
}
