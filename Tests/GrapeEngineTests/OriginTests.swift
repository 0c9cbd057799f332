import GrapeModel
import GrapeTestKit
import Testing

import GrapeEngine

/// A write that reaches its shard again, whenever and in whatever order, gets the answer of the first and changes nothing
/// (RAFT.md 24): nobody reads 1, 2, 1.
@Suite struct OriginTests {
    private static let shards = 2

    /// What a shard with unlimited memory does.
    private struct Twin {
        private struct Key: Hashable {
            let incarnation: UInt64
            let sequence: UInt64
        }
        private var outcomes: [Key: ApplyOutcome] = [:]
        private var lowestOpen: [UInt64: UInt64] = [:]
        private(set) var points: [UInt64: Float] = [:]

        mutating func apply(_ origin: WriteOrigin, put id: UInt64, _ value: Float?) -> ApplyOutcome {
            let key = Key(incarnation: origin.incarnation, sequence: origin.sequence)
            let lowest = max(lowestOpen[origin.incarnation] ?? 0, origin.lowestOpen)
            lowestOpen[origin.incarnation] = lowest
            if origin.sequence < lowest { return .forgotten }
            if let known = outcomes[key] { return known }
            let outcome: ApplyOutcome = value == nil ? .deleted([points[id] != nil]) : .upserted(1)
            points[id] = value
            outcomes[key] = outcome
            return outcome
        }
    }

    private struct Sent {
        let origin: WriteOrigin
        let id: UInt64
        let value: Float?

        var entry: LogEntry { LogEntry(origin, value.map { .put(id, [$0]) } ?? .remove(id)) }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func `Retries in any order, across turns and restarts, answer as a dictionary does`(seed: UInt64) throws {
        var random = Xoshiro256(seed: seed)
        let directory = try TemporaryDirectory()
        var engine = try EngineFixture.open(directory.path, shards: Self.shards)
        var log = TestLog()
        log.create(dimension: 1)
        _ = try engine.apply(log.take())
        var twins = [Twin](repeating: Twin(), count: Self.shards)
        var next: [UInt64] = [1, 1, 1]
        var sent: [Sent] = []
        var expected: [ApplyOutcome] = []
        for step in 0..<1_500 {
            let write: Sent
            if !sent.isEmpty, random.below(3) == 0 {
                write = sent[sent.count - 1 - random.below(min(40, sent.count))]
            } else {
                let router = random.below(next.count)
                let sequence = next[router]
                next[router] += 1
                let lowest = sequence - min(sequence, UInt64(random.below(20)))
                write = Sent(
                    origin: WriteOrigin(
                        incarnation: UInt64(router) + 7, sequence: sequence, lowestOpen: lowest),
                    id: UInt64(random.below(10)), value: random.below(4) == 0 ? nil : Float(step))
                sent.append(write)
            }
            let shard = shardOf(write.id, Self.shards)
            log.append(write.entry, shard)
            expected.append(twins[Int(shard.rawValue)].apply(write.origin, put: write.id, write.value))
            guard random.below(8) == 0 else { continue }
            #expect(try engine.apply(log.take()) == expected)
            expected = []
            if random.below(10) == 0 {
                try EngineFixture.close(engine)
                engine = try EngineFixture.open(directory.path, shards: Self.shards)
            }
        }
        #expect(try engine.apply(log.take()) == expected)
        let collection = try #require(engine.collection(EngineFixture.collection))
        for id in 0..<10 as Range<UInt64> {
            let point = try engine.point(.integer(id), in: collection)
            #expect(point?.vectors.first?.values.first == twins[Int(shardOf(id, Self.shards).rawValue)].points[id])
        }
        try EngineFixture.close(engine)
    }

    @Test func `A write that is repeated after a later one does not come back`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: 1)
        var log = TestLog()
        log.create(dimension: 1)
        let first = LogEntry(WriteOrigin(incarnation: 1, sequence: 1, lowestOpen: 1), .put(5, [1]))
        let second = LogEntry(WriteOrigin(incarnation: 2, sequence: 1, lowestOpen: 1), .put(5, [2]))
        for entry in [first, second, first] { log.append(entry, ShardID(0)) }
        #expect(try engine.apply(log.take()).suffix(3) == [.upserted(1), .upserted(1), .upserted(1)])
        let collection = try #require(engine.collection(EngineFixture.collection))
        #expect(try engine.point(.integer(5), in: collection)?.vectors.first?.values == [2])
        try EngineFixture.close(engine)
    }

    @Test func `Refusals are remembered too: the same origin gets the same answer after the reason is gone`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: 1)
        var log = TestLog()
        log.create(dimension: 1)
        let shard = ShardID(0)
        let fence = LogEntry(
            catalogVersion: CatalogVersion(3), origin: WriteOrigin(incarnation: 1, sequence: 1, lowestOpen: 1),
            command: .fence(CatalogVersion(3), dropping: nil))
        let stale = LogEntry(WriteOrigin(incarnation: 1, sequence: 2, lowestOpen: 1), .put(5, [1]))
        var again = stale
        again.catalogVersion = CatalogVersion(3)
        var anew = again
        anew.origin.sequence = 3
        for entry in [fence, stale, again, anew, fence] { log.append(entry, shard) }
        #expect(
            try engine.apply(log.take()).suffix(5) == [
                .fenced, .staleCatalog(CatalogVersion(3)), .staleCatalog(CatalogVersion(3)), .upserted(1), .fenced,
            ])
        var lower = anew
        lower.origin = WriteOrigin(incarnation: 1, sequence: 2, lowestOpen: 4)
        log.append(lower, shard)
        #expect(try engine.apply(log.take()) == [.forgotten])
        try EngineFixture.close(engine)
    }

    @Test func `An entry of another epoch is refused, and says which one the shard is in`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: 1, held: [.catalog])
        try EngineFixture.found(engine, [.shard(ShardID(0))], epoch: ShardEpoch(3))
        #expect(engine.epoch(of: ShardID(0)) == ShardEpoch(3))
        var log = TestLog()
        log.create(dimension: 1)
        var entry = LogEntry(.none, .put(5, [1]))
        log.append(entry, ShardID(0))
        entry.epoch = ShardEpoch(3)
        log.append(entry, ShardID(0))
        #expect(try engine.apply(log.take()).suffix(2) == [.staleEpoch(ShardEpoch(3)), .upserted(1)])
        #expect(try engine.pointCount(EngineFixture.collection) == 1)
        try EngineFixture.close(engine)
    }

    // MARK: Bounds

    @Test func `Of more sequences than are kept the lowest are given up, and a repetition of one is not applied`() {
        var table = OriginTable()
        let most = Limits.originSequencesMax
        for sequence in 1...UInt64(most) + 10 {
            let origin = WriteOrigin(incarnation: 1, sequence: sequence, lowestOpen: 0)
            #expect(table.meet(origin, at: LogIndex(sequence)) == nil)
            table.settle(origin, .upserted(Int(sequence)))
        }
        for sequence in 1...UInt64(most) + 10 {
            let origin = WriteOrigin(incarnation: 1, sequence: sequence, lowestOpen: 0)
            let known = table.meet(origin, at: LogIndex(UInt64(2 * most) + sequence))
            #expect(known == (sequence <= 10 ? .forgotten : .upserted(Int(sequence))))
        }
        #expect(table.windows[1]?.settled.count == most)
    }

    @Test func `Of more routers than are kept the one idle longest is forgotten, with its pieces`() {
        var table = OriginTable()
        let most = UInt64(Limits.originIncarnationsMax)
        let piece = WriteOrigin(incarnation: 1, sequence: 1, lowestOpen: 0)
        #expect(table.meet(piece, at: LogIndex(1)) == nil)
        #expect(table.add(piece: 1, of: 3, bytes: 10, origin: piece, at: LogIndex(1)) == (true, false))
        for incarnation in 2...most {
            #expect(
                table.meet(
                    WriteOrigin(incarnation: incarnation, sequence: 1, lowestOpen: 0), at: LogIndex(incarnation)) == nil
            )
        }
        #expect(table.windows.count == Int(most))
        _ = table.takeChanges()
        let newest = WriteOrigin(incarnation: most + 1, sequence: 1, lowestOpen: 0)
        #expect(table.meet(newest, at: LogIndex(most + 1)) == nil)
        #expect(table.windows.count == Int(most))
        #expect(table.windows[1] == nil)
        #expect(table.takeAbandoned().map(\.incarnation) == [1])
        #expect(table.takeChanges().map(\.incarnation) == [1, most + 1])
    }

    @Test func `A window comes back from its bytes, and damaged ones are refused or sound, never a trap`() {
        var random = Xoshiro256(seed: 4)
        for _ in 0..<300 {
            var window = OriginWindow()
            for step in 0..<random.below(30) {
                let sequence = UInt64(random.below(40))
                guard window.standing(of: sequence) == nil else { continue }
                switch random.below(3) {
                case 0: _ = window.add(piece: 2, of: 3, bytes: 9, sequence: sequence, at: LogIndex(UInt64(step)))
                case 1: _ = window.settle(sequence, .deleted([true, false]))
                default: _ = window.advance(to: UInt64(random.below(8)), at: LogIndex(UInt64(step)))
                }
            }
            var bytes = window.encoded
            #expect(OriginWindow(encoded: bytes) == window)
            if random.below(2) == 0 {
                bytes.removeLast(random.within(1...bytes.count))
                #expect(OriginWindow(encoded: bytes) == nil)
            } else {
                bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
                _ = OriginWindow(encoded: bytes)
            }
        }
    }
}
