import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeTestKit
import Synchronization
import Testing

/// Writes whose answers are lost, whose leaders go, and what the caller hears of them (RAFT.md 24).
@Suite struct RouterWriteTests {
    private func origin(_ incarnation: UInt64, _ sequence: UInt64) -> WriteOrigin {
        WriteOrigin(incarnation: incarnation, sequence: sequence, lowestOpen: 1)
    }

    private func all(_ node: UInt32) -> [LogGroup: UInt32] {
        Dictionary(uniqueKeysWithValues: LogGroup.all(shardCount: RouterWorld.shards).map { ($0, node) })
    }

    private func isApplied(_ fate: WriteFate) -> ApplyOutcome? {
        if case .applied(let outcome) = fate { outcome } else { nil }
    }

    private func refusal(_ fate: WriteFate) -> GrapeError? { if case .refused(let error) = fate { error } else { nil } }

    private func isUnknown(_ fate: WriteFate) -> Bool { if case .unknown = fate { true } else { false } }

    /// A round that is made again where its time was over before a node was asked.
    private func asked<Outcome>(
        _ world: RouterWorld, _ round: () async throws -> Outcome
    ) async throws -> Outcome {
        for _ in 0..<100 {
            let before = world.peers.asked.count
            let outcome = try await round()
            if world.peers.asked.count > before { return outcome }
        }
        throw GrapeError(.internalError, "no node was ever asked")
    }

    // MARK: Retries

    @Test(arguments: [nil, 80])
    func `An answer is lost, another write comes between, the retry is applied once: nobody reads 1, 2, 1`(
        pieceBytes: Int?
    ) async throws {
        let world = try RouterWorld()
        let shard = try PlayedShard()
        world.hints(all(2))
        let isLost = Mutex(false)
        world.peers.play { request, _ throws(PeerFailure) in
            guard case .propose(let proposals) = request else { return .unreadable }
            let results = shard.propose(proposals)
            guard
                isLost.withLock({ isLost in
                    defer { isLost = true }
                    return isLost
                })
            else {
                #expect(shard.value(5) == 1)
                let other = RouterWorld.write(5, 2, WriteOrigin(incarnation: 8, sequence: 1, lowestOpen: 1))
                _ = shard.propose(other.entries.map { Proposal(group: other.group, entry: $0) })
                throw PeerFailure(mayHaveArrived: true, message: "the connection broke")
            }
            return .proposed(results)
        }
        let write = RouterWorld.write(5, 1, origin(7, 1), pieceBytes: pieceBytes)
        #expect((write.entries.count > 1) == (pieceBytes != nil))
        let fates = await world.commit([write])
        #expect(isApplied(fates[0]) == .upserted(1))
        #expect(shard.value(5) == 2)
        try #require(world.peers.asked.count == 2)
        #expect(world.peers.asked[0].request.dropFirst(5) == world.peers.asked[1].request.dropFirst(5))
        try shard.close()
        try await world.close()
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func `Over nodes that lose requests and answers, every write is in once, or is said to be unknown`(
        seed: UInt64
    ) async throws {
        let world = try RouterWorld()
        let shard = try PlayedShard()
        world.hints(all(2))
        let random = Mutex(Xoshiro256(seed: seed))
        world.peers.play { request, node throws(PeerFailure) in
            guard case .propose(let proposals) = request else { return .unreadable }
            switch random.withLock({ $0.below(10) }) {
            case 0: throw PeerFailure(mayHaveArrived: false, message: "not sent")
            case 1: throw PeerFailure(mayHaveArrived: true, message: "lost")
            case 2:
                _ = shard.propose(proposals)
                throw PeerFailure(mayHaveArrived: true, message: "answer lost")
            case 3: return .proposed(proposals.map { _ in .notLeader(NodeNumber(node.rawValue ^ 1)) })
            case 4: return .proposed(proposals.map { _ in .lost })
            default: return .proposed(shard.propose(proposals))
            }
        }
        for step in 0..<15 as Range<UInt64> {
            let writes = (0..<4 as Range<UInt64>).map { place in
                RouterWorld.write(
                    place, Float(step), WriteOrigin(incarnation: 7, sequence: 4 * step + place + 1, lowestOpen: 0))
            }
            for fate in await world.commit(writes) { #expect(isApplied(fate) == .upserted(1)) }
            for id in 0..<4 as Range<UInt64> { #expect(shard.value(id) == Float(step)) }
        }
        try shard.close()
        try await world.close()
    }

    // MARK: Leaders

    @Test func `A write follows the leader, and what another entry took the place of is proposed again`() async throws {
        let world = try RouterWorld()
        let shard = try PlayedShard()
        world.hints(all(2))
        let attempts = Mutex(0)
        world.peers.play { request, node throws(PeerFailure) in
            guard case .propose(let proposals) = request else { return .unreadable }
            switch attempts.withLock({ attempts in
                defer { attempts += 1 }
                return attempts
            }) {
            case 0: return .proposed(proposals.map { _ in .notLeader(NodeNumber(3)) })
            case 1: return .proposed(proposals.map { _ in .lost })
            case 2: return .proposed(proposals.map { _ in .refused(GrapeError(.unavailable, "no quorum")) })
            case 3: return .proposed(proposals.map { _ in .notLeader(nil) })
            default: return .proposed(shard.propose(proposals))
            }
        }
        let fates = await world.commit([RouterWorld.write(1, 4, origin(7, 1))])
        #expect(isApplied(fates[0]) == .upserted(1))
        #expect(world.peers.nodes == [2, 3, 2, 2, 2])
        #expect(world.peers.asked.allSatisfy { $0.lane == .bulk })
        #expect(shard.applied == 1)
        try shard.close()
        try await world.close()
    }

    @Test func `A group whose leader nobody knows is waited for until the deadline, and then it is 503`() async throws {
        let world = try RouterWorld()
        let start = ContinuousClock.now
        let fates = await world.commit([RouterWorld.write(1, 4, origin(7, 1))], seconds: 0.3)
        #expect(refusal(fates[0])?.code == .unavailable)
        #expect((.milliseconds(290)..<(.seconds(60))).contains(ContinuousClock.now - start))
        let shard = try PlayedShard()
        world.peers.play { request, _ throws(PeerFailure) in
            guard case .propose(let proposals) = request else { return .unreadable }
            return .proposed(shard.propose(proposals))
        }
        let task = Task { await world.commit([RouterWorld.write(1, 4, origin(7, 2))]) }
        try await Task.sleep(for: .milliseconds(50))
        world.hints(all(2))
        #expect(isApplied(await task.value[0]) == .upserted(1))
        try shard.close()
        try await world.close()
    }

    // MARK: What is certain and what is not

    @Test func `Too many requests are told at once, unless an attempt before may be in`() async throws {
        let world = try RouterWorld()
        world.hints(all(2))
        let full = GrapeError(.overloaded, "full", retryAfterSeconds: 1)
        world.peers.play { request, _ throws(PeerFailure) in
            guard case .propose(let proposals) = request else { return .unreadable }
            return .proposed(proposals.map { _ in .refused(full) })
        }
        let fates = await world.commit([RouterWorld.write(1, 4, origin(7, 1))])
        #expect(refusal(fates[0])?.code == .overloaded && refusal(fates[0])?.retryAfterSeconds == 1)
        #expect(world.peers.asked.count == 1)
        let isFirst = Mutex(true)
        world.peers.play { request, _ throws(PeerFailure) in
            guard case .propose(let proposals) = request,
                !isFirst.withLock({ isFirst in
                    defer { isFirst = false }
                    return isFirst
                })
            else { throw PeerFailure(mayHaveArrived: true, message: "broke") }
            return .proposed(proposals.map { _ in .refused(full) })
        }
        let again = try await asked(world) { await world.commit([RouterWorld.write(1, 4, origin(7, 2))], seconds: 0.3) }
        #expect(isUnknown(again[0]))
        try await world.close()
    }

    @Test func `A piece refused where another one's fate is open leaves the whole open`() {
        let write = RoutedWrite(group: .shard(ShardID(0)), entries: [[1], [2]])
        let full = ProposalResult.refused(GrapeError(.overloaded, "full"))
        let deadline = GrapeError(.unavailable, "late")
        func fate(_ rounds: [[ProposalResult]]) -> WriteFate? {
            var attempts = WriteAttempts(write)
            for round in rounds { attempts.take(round[...]) }
            attempts.end(deadline)
            return attempts.fate
        }
        func isOpen(_ fate: WriteFate?) -> Bool { fate.map(isUnknown) ?? false }
        // The first piece is in from before; the second may have completed the command.
        #expect(isOpen(fate([[.applied(.pending), .lost], [full, .unknown]])))
        #expect(isOpen(fate([[.unknown, full]])))
        #expect(isOpen(fate([[.unknown, .unknown], [full, full]])))
        #expect(fate([[full, full]]).flatMap(refusal)?.code == .overloaded)
        #expect(fate([[.applied(.pending), full]]).flatMap(refusal)?.code == .overloaded)
        #expect(fate([[.lost, .lost]]).flatMap(refusal)?.code == .unavailable)
        #expect(fate([[.notLeader(nil), .notLeader(nil)]]).flatMap(refusal)?.code == .unavailable)
        #expect(fate([[.unknown, .unknown], [.applied(.pending), .applied(.upserted(2))]]).flatMap(isApplied) != nil)
        #expect(fate([[.unknown], [.applied(.upserted(2)), .applied(.pending)]]).flatMap(isApplied) == .upserted(2))
    }

    @Test func `Answers that can't be read, or are fewer than asked for, leave it open; no answer sent is certain`()
        async throws
    {
        let world = try RouterWorld()
        world.hints(all(2))
        let write = RouterWorld.write(1, 4, origin(7, 1))
        var random = Xoshiro256(seed: 1)
        let valid = PeerAnswer.proposed([.applied(.deleted([true, false])), .notLeader(NodeNumber(3)), .lost]).encoded
        for round in 0..<12 {
            var bytes = round % 2 == 0 ? valid : (0..<random.below(40)).map { _ in UInt8(random.below(256)) }
            if round > 0, !bytes.isEmpty { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
            world.peers.answers { [bytes] _ in bytes }
            let fates = try await asked(world) { await world.commit([write], seconds: 0.05) }
            #expect(isUnknown(fates[0]))
        }
        let quiet = try RouterWorld()
        quiet.hints(all(2))
        #expect(refusal(await quiet.commit([write], seconds: 0.1)[0])?.code == .unavailable)
        try await quiet.close()
        try await world.close()
    }

    @Test func `An answer to a write of the catalog that is none of the catalog's is no answer`() async throws {
        let world = try RouterWorld()
        world.hints(all(2))
        for outcome in [ApplyOutcome.upserted(1), .fenced, .nothing, .forgotten] {
            world.peers.play { request, _ throws(PeerFailure) in
                guard case .propose(let proposals) = request else { return .unreadable }
                return .proposed(proposals.map { _ in .applied(outcome) })
            }
            let code = try await asked(world) { () async -> GrapeError.Code? in
                do throws(GrapeError) {
                    _ = try await world.router.commit(
                        .created(CollectionID(3)), deadline: .now + .milliseconds(100))
                    return nil
                } catch {
                    return error.code
                }
            }
            #expect(code == .outcomeUnknown)
        }
        try await world.close()
    }

    // MARK: Counts

    @Test func `The caller hears how many points are in, are not, and may be`() throws {
        let points = [ShardID(0): 3, ShardID(1): 2, ShardID(2): 1]
        let full = GrapeError(.overloaded, "full", retryAfterSeconds: 2)
        func tally(_ fates: [WriteFate]) -> WriteTally {
            var tally = WriteTally(points)
            for (shard, fate) in fates.enumerated() { tally.take(fate, ShardID(UInt16(shard))) }
            return tally
        }
        func error(_ fates: [WriteFate]) -> GrapeError? {
            do throws(GrapeError) {
                _ = try tally(fates).outcomes()
                return nil
            } catch {
                return error
            }
        }
        let written = WriteFate.applied(.upserted(1))
        #expect(try tally([written, written, written]).outcomes().count == 3)
        #expect(error([.refused(full), .refused(full), .refused(full)])?.code == .overloaded)
        let some = error([written, .refused(full), .unknown])
        #expect(some?.code == .outcomeUnknown)
        #expect(some?.writeOutcome == WriteOutcome(written: 3, notWritten: 2, unknown: 1))
        let two = error([written, .refused(full), written])
        #expect(two?.writeOutcome == WriteOutcome(written: 4, notWritten: 2, unknown: 0))
        for strange in [ApplyOutcome.forgotten, .pending, .nothing, .fenced] {
            let found = error([written, written, .applied(strange)])
            #expect(found?.writeOutcome == WriteOutcome(written: 5, notWritten: 0, unknown: 1))
        }
        #expect(error([.applied(.keyReused), .refused(full), .refused(full)])?.code == .conflict)
    }

    @Test func `What a fence or another epoch refused is to be resolved again, the rest is not touched`() throws {
        var tally = WriteTally([ShardID(0): 3, ShardID(1): 2, ShardID(2): 1])
        tally.take(.applied(.staleCatalog(CatalogVersion(9))), ShardID(2))
        tally.take(.applied(.staleCatalog(CatalogVersion(7))), ShardID(0))
        tally.take(.applied(.upserted(2)), ShardID(1))
        #expect(tally.open == [ShardID(0), ShardID(2)])
        #expect(tally.fence == CatalogVersion(9))
        tally.take(.applied(.staleEpoch(ShardEpoch(2))), ShardID(0))
        #expect(tally.open == [ShardID(0), ShardID(2)])
        tally.take(.applied(.upserted(3)), ShardID(0))
        tally.refuseOpen(GrapeError(.collectionNotFound, "gone"))
        do {
            _ = try tally.outcomes()
            Issue.record("there were outcomes")
        } catch {
            #expect(error.writeOutcome == WriteOutcome(written: 5, notWritten: 1, unknown: 0))
        }
    }

    // MARK: Names of writes

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func `Open writes are never below the lowest open sequence, and one that stays open holds up nobody`(
        seed: UInt64
    ) {
        let origins = WriteOrigins()
        var random = Xoshiro256(seed: seed)
        let group = LogGroup.shard(ShardID(1))
        let first = origins.open(group)
        var open = [first]
        var seen: Set<WriteOrigin> = [first]
        for _ in 0..<3_000 {
            if open.count > 1, random.below(2) == 0 {
                origins.close(open.remove(at: random.within(1...(open.count - 1))), group)
            } else {
                let new = origins.open(group)
                let isNew = seen.insert(new).inserted
                #expect(isNew)
                open.append(new)
                for known in open where known.incarnation == new.incarnation {
                    #expect(known.sequence >= new.lowestOpen)
                }
                #expect(new.sequence - new.lowestOpen <= 512)
            }
        }
        #expect(Set(seen.map(\.incarnation)).count > 1)
        for one in open { origins.close(one, group) }
    }
}
