import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Testing

/// What other nodes ask may be anything: an answer or an error comes, never a trap.
@Suite struct PeerServiceTests {
    private func service(_ world: RouterWorld) -> PeerService {
        PeerService(router: world.router, pool: world.pool, limits: Limits())
    }

    private func world() throws -> RouterWorld {
        let world = try RouterWorld(holds: true)
        world.holders([:], own: [0, 1, 2, 3])
        var next: [LogGroup: UInt64] = [:]
        let entries = (0..<100 as Range<UInt64>).map { id in
            let write = RouterWorld.write(id, Float(id), .none)
            next[write.group, default: 0] += 1
            return CommittedEntry(
                group: write.group, index: LogIndex(next[write.group] ?? 0), term: 1,
                content: .command(write.entries[0]))
        }
        _ = try world.engine.apply(entries)
        return world
    }

    private func ask(
        _ world: RouterWorld, _ request: PeerRequest, milliseconds: UInt32 = 60_000
    ) async -> PeerAnswer {
        await service(world).answer(request.encoded(timeoutMilliseconds: milliseconds))
    }

    private func code(_ answer: PeerAnswer) -> GrapeError.Code? {
        if case .failed(let error) = answer { error.code } else { nil }
    }

    private func search(_ change: (inout SearchRequest) -> Void = { _ in }) -> SearchRequest {
        var request = SearchRequest(vector: [3, 3], limit: 4)
        request.consistency = .eventual
        change(&request)
        return request
    }

    private let all = ShardSet((0..<4 as Range<UInt16>).map { ShardID($0) })

    @Test func `Searches, points and counts are answered for the shards that are held`() async throws {
        let world = try world()
        let collection = RouterWorld.collection
        guard case .found(let points, _) = await ask(world, .search(collection, all, search())) else {
            Issue.record("nothing was found")
            return
        }
        #expect(points.map(\.id.text).first == "3")
        #expect(points.map(\.id.text).prefix(3).sorted() == ["2", "3", "4"])
        guard case .point(let point?, _) = await ask(world, .point(collection, .integer(7), .eventual)) else {
            Issue.record("no point was found")
            return
        }
        #expect(point.vectors[0].values == [7, 7])
        guard case .count(100) = await ask(world, .count(collection, all)) else {
            Issue.record("another count")
            return
        }
        try await world.close()
    }

    @Test func `Numbers beyond the limits, other dimensions and shards that are not here are refused`() async throws {
        let world = try world()
        let collection = RouterWorld.collection
        let hostile: [(SearchRequest, GrapeError.Code)] = [
            (search { $0.vector = [1] }, .dimensionMismatch), (search { $0.vector = [] }, .dimensionMismatch),
            (search { $0.vector = [Float](repeating: 1, count: 9_000) }, .dimensionMismatch),
            (search { $0.limit = Int(UInt32.max) }, .invalidRequest),
            (search { $0.offset = Int(UInt32.max) }, .invalidRequest), (search { $0.limit = 0 }, .invalidRequest),
            (search { $0.ef = Int(UInt32.max) }, .invalidRequest), (search { $0.using = "none" }, .invalidRequest),
            (search { $0.scoreThreshold = .nan }, .invalidRequest),
        ]
        for (request, expected) in hostile {
            #expect(code(await ask(world, .search(collection, all, request))) == expected)
        }
        #expect(code(await ask(world, .search(collection, all, search { $0.vector = [.nan, 1] }))) != nil)
        let beyond = ShardSet([ShardID(4), ShardID(60_000)])
        #expect(code(await ask(world, .search(collection, beyond, search()))) == .unavailable)
        #expect(code(await ask(world, .count(collection, beyond))) == .unavailable)
        #expect(code(await ask(world, .search(CollectionID(9), all, search()))) == .collectionNotFound)
        try await world.close()
    }

    @Test func `A strong request waits for a round, and is refused where none can be had; an eventual one is not`()
        async throws
    {
        let world = try world()
        let collection = RouterWorld.collection
        let strong = search { $0.consistency = .strong }
        #expect(code(await ask(world, .search(collection, all, strong), milliseconds: 50)) == .unavailable)
        #expect(code(await ask(world, .point(collection, .integer(7), .strong), milliseconds: 50)) == .unavailable)
        #expect(code(await ask(world, .point(collection, .integer(7), .eventual))) == nil)
        let write = RouterWorld.write(1, 1, .none)
        let answer = await ask(world, .propose([Proposal(group: write.group, entry: write.entries[0])]))
        guard case .proposed(let results) = answer, case .notLeader(nil)? = results.first else {
            Issue.record("\(answer)")
            return
        }
        try await world.close()
    }

    // MARK: Bytes

    private var requests: [PeerRequest] {
        [
            .propose([Proposal(group: .catalog, entry: [1, 2]), Proposal(group: .shard(ShardID(2)), entry: [])]),
            .point(RouterWorld.collection, .text(Array("a".utf8)), .strong),
            .search(
                RouterWorld.collection, all,
                search {
                    $0.withVector = true
                    $0.scoreThreshold = 0.5
                    $0.ef = 50
                }),
            .count(RouterWorld.collection, all), .changeConfiguration(.shard(ShardID(1)), [1, 2, 3]),
            .transferLeadership(.catalog, to: 1 << 40), .announceCheck(9, deep: true, all), .checkResults(9, all),
            .distrust([ShardID(2): 7, ShardID(3): 1], reason: "differs"),
        ]
    }

    private var answers: [PeerAnswer] {
        let point = Point(
            id: WrittenID(number: 7), vectors: [NamedVector(name: "v", values: [1, 2])],
            payload: Payload(uncheckedJSON: Array("{\"a\":1}".utf8)))
        let scored = ScoredPoint(id: point.id, score: 0.25, payload: point.payload, vectors: point.vectors)
        return [
            .proposed([
                .applied(.upserted(3)), .applied(.deleted([true, false, true])), .notLeader(NodeNumber(2)),
                .notLeader(nil), .lost, .refused(GrapeError(.overloaded, "full", retryAfterSeconds: 3)), .unknown,
            ]), .point(point, stalenessMilliseconds: 3), .point(nil, stalenessMilliseconds: 0),
            .found([scored, scored], stalenessMilliseconds: 9), .count(12),
            .failed(GrapeError(.dimensionMismatch, "no")), .unreadable, .accepted, .distrusted(all),
            .checks([
                ShardID(0): .behind, ShardID(1): .absent("none here"),
                ShardID(2): .checked(4, check(.read(digest, indexDifferences: 3))),
                ShardID(3): .checked(5, check(.damaged("a row"), fault: "known")),
                ShardID(4): .checked(6, check(.reading(points: 9))), ShardID(5): .checked(6, check(nil)),
            ]),
        ]
    }

    private var digest: ShardDigest { ShardDigest(points: 3, hash: 0xab) }

    private func check(_ disk: DiskCheck?, fault: String? = nil) -> ReplicaCheck {
        ReplicaCheck(index: GrapeModel.LogIndex(12), running: digest, disk: disk, fault: fault)
    }

    @Test func `Entries of a form that this build does not know are refused before they are proposed`() async throws {
        let world = try world()
        let known = RouterWorld.write(1, 1, .none)
        for (group, entry) in [
            (known.group, [2] + known.entries[0].dropFirst()), (known.group, [1, 99] + known.entries[0].dropFirst(2)),
            (known.group, []), (.catalog, [99, 1, 2]),
        ] {
            let answer = await ask(world, .propose([Proposal(group: group, entry: entry)]))
            guard case .proposed(let results) = answer, case .refused(let error)? = results.first else {
                Issue.record("\(answer)")
                continue
            }
            #expect(error.code == .invalidRequest)
        }
        try await world.close()
    }

    @Test func `Requests and answers come back from their bytes`() throws {
        for request in requests {
            let bytes = request.encoded(timeoutMilliseconds: 1_234)
            let back = try #require(PeerRequest.decode(bytes))
            #expect(back.timeoutMilliseconds == 1_234)
            #expect(back.request.encoded(timeoutMilliseconds: 1_234) == bytes)
        }
        for answer in answers { #expect(PeerAnswer(encoded: answer.encoded)?.encoded == answer.encoded) }
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func `Cut, altered and made-up bytes are refused or understood, whatever they claim`(seed: UInt64) async throws {
        let world = try world()
        let service = service(world)
        var random = Xoshiro256(seed: seed)
        let valid = requests.map { $0.encoded(timeoutMilliseconds: 1) }
        for _ in 0..<1_500 {
            var bytes = valid[random.below(valid.count)]
            alter(&bytes, &random)
            // Not longer than these tests may take.
            if bytes.count >= 5 { bytes.replaceSubrange(1..<5, with: [1, 0, 0, 0]) }
            _ = PeerAnswer(encoded: await service.answer(bytes).encoded)
        }
        for _ in 0..<4_000 {
            var bytes = answers[random.below(answers.count)].encoded
            alter(&bytes, &random)
            if let answer = PeerAnswer(encoded: bytes) { #expect(PeerAnswer(encoded: answer.encoded) != nil) }
        }
        try await world.close()
    }

    private func alter(_ bytes: inout [UInt8], _ random: inout Xoshiro256) {
        for _ in 0..<random.within(1...4) where bytes.count > 4 {
            let at = random.below(bytes.count - 4)
            switch random.below(5) {
            case 0: bytes[at] ^= 1 << UInt8(random.below(8))
            case 1: bytes.replaceSubrange(at..<(at + 4), with: [0xff, 0xff, 0xff, UInt8(random.below(256))])
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(UInt8(random.below(256)), at: at)
            default: bytes.removeLast(random.within(1...4))
            }
        }
    }
}
