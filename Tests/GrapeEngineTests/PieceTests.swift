import GrapeModel
import GrapeTestKit
import Testing

import GrapeEngine

/// A long command in pieces is applied as one, whatever order the pieces come in and however often.
@Suite struct PieceTests {
    private func longCommand(_ ids: Range<UInt64>, _ value: Float) -> ShardCommand {
        var points: [PointWrite] = []
        for id in ids {
            if case .upsert(_, let own) = ShardCommand.put(id, [value]) { points += own }
        }
        return .upsert(EngineFixture.collection, points)
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `Pieces in any order, twice, among others and across restarts make one command`(seed: UInt64) throws {
        var random = Xoshiro256(seed: seed)
        let directory = try TemporaryDirectory()
        var engine = try EngineFixture.open(directory.path, shards: 1)
        var log = TestLog()
        log.create(dimension: 1)
        _ = try engine.apply(log.take())
        let commands: [LogEntry] = (0..<6).map { number in
            let ids = UInt64(number) * 100..<UInt64(number) * 100 + UInt64(random.within(20...60))
            return LogEntry(
                WriteOrigin(incarnation: UInt64(number % 2), sequence: UInt64(number) + 1, lowestOpen: 0),
                longCommand(ids, Float(number)))
        }
        var pieces: [(command: Int, bytes: [UInt8])] = []
        var missing: [Set<[UInt8]>] = []
        for (number, command) in commands.enumerated() {
            let own = command.encodedPieces(entryBytesMax: 256)
            #expect(own.count > 3)
            missing.append(Set(own))
            pieces += (own + own).map { (number, $0) }
        }
        pieces.shuffle(using: &random)
        var expected: [ApplyOutcome] = []
        for (number, bytes) in pieces {
            log.append(.shard(ShardID(0)), bytes)
            missing[number].remove(bytes)
            guard case .upsert(_, let points) = commands[number].command else { continue }
            expected.append(missing[number].isEmpty ? .upserted(points.count) : .pending)
            guard random.below(5) == 0 else { continue }
            #expect(try engine.apply(log.take()) == expected)
            expected = []
            if random.below(6) == 0 {
                try EngineFixture.close(engine)
                engine = try EngineFixture.open(directory.path, shards: 1)
            }
        }
        #expect(try engine.apply(log.take()) == expected)
        #expect(try EngineFixture.stateRows(engine, tag: 0x08) == 0)
        let total = commands.reduce(0) { sum, command in
            if case .upsert(_, let points) = command.command { sum + points.count } else { sum }
        }
        #expect(try engine.pointCount(EngineFixture.collection) == total)
        try EngineFixture.close(engine)
    }

    @Test func `Pieces of a command that was given up are deleted when its router goes on`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: 1)
        var log = TestLog()
        log.create(dimension: 1)
        let long = LogEntry(WriteOrigin(incarnation: 1, sequence: 1, lowestOpen: 1), longCommand(0..<50, 1))
        let pieces = long.encodedPieces(entryBytesMax: 256)
        for piece in pieces.dropLast() { log.append(.shard(ShardID(0)), piece) }
        _ = try engine.apply(log.take())
        #expect(try EngineFixture.stateRows(engine, tag: 0x08) == pieces.count - 1)
        log.append(LogEntry(WriteOrigin(incarnation: 1, sequence: 2, lowestOpen: 2), .put(1, [1])), ShardID(0))
        log.append(.shard(ShardID(0)), pieces[pieces.count - 1])
        #expect(try engine.apply(log.take()) == [.upserted(1), .forgotten])
        #expect(try EngineFixture.stateRows(engine, tag: 0x08) == 0)
        #expect(try engine.pointCount(EngineFixture.collection) == 1)
        try EngineFixture.close(engine)
    }

    @Test func `A command that is cut in another way begins anew`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: 1)
        var log = TestLog()
        log.create(dimension: 1)
        let long = LogEntry(WriteOrigin(incarnation: 1, sequence: 1, lowestOpen: 1), longCommand(0..<50, 1))
        let first = long.encodedPieces(entryBytesMax: 256)
        let second = long.encodedPieces(entryBytesMax: 400)
        for piece in first.dropFirst() + second { log.append(.shard(ShardID(0)), piece) }
        let outcomes = try engine.apply(log.take())
        #expect(outcomes.last == .upserted(50))
        #expect(outcomes.dropFirst(2).dropLast().allSatisfy { $0 == .pending })
        #expect(try EngineFixture.stateRows(engine, tag: 0x08) == 0)
        try EngineFixture.close(engine)
    }

    @Test func `Pieces beyond the bound push out the command begun first, never the one that grows`() {
        var table = OriginTable()
        let half = Limits.unfinishedBytesMax / 2 + 1
        for incarnation in 1...3 as ClosedRange<UInt64> {
            let origin = WriteOrigin(incarnation: incarnation, sequence: 1, lowestOpen: 0)
            #expect(table.meet(origin, at: LogIndex(incarnation)) == nil)
            _ = table.add(piece: 0, of: 9, bytes: half, origin: origin, at: LogIndex(incarnation))
        }
        #expect(table.takeAbandoned().map(\.incarnation) == [1, 2])
        let last = WriteOrigin(incarnation: 3, sequence: 1, lowestOpen: 0)
        for number in 1..<9 {
            let (isNew, isComplete) = table.add(piece: number, of: 9, bytes: half, origin: last, at: LogIndex(9))
            #expect(isNew && isComplete == (number == 8))
        }
        #expect(table.takeAbandoned().isEmpty)
    }

    @Test func `Pieces that make no entry stop the replica`() throws {
        let directory = try TemporaryDirectory()
        let engine = try EngineFixture.open(directory.path, shards: 1)
        var log = TestLog()
        log.create(dimension: 1)
        _ = try engine.apply(log.take())
        let origin = WriteOrigin(incarnation: 1, sequence: 1, lowestOpen: 1)
        for number in 0..<2 {
            log.append(LogEntry(origin, .piece(number: number, count: 2, bytes: [1, 2, 3])), ShardID(0))
        }
        #expect(throws: ApplyError.self) { try engine.apply(log.take()) }
        #expect(engine.appliedIndex(of: .shard(ShardID(0))) == LogIndex(0))
        try EngineFixture.close(engine)
    }
}
