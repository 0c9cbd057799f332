import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Testing

/// An import goes on where it stopped, and until the switch the old state is the one that counts (RAFT.md 20).
@Suite struct ExportResumeTests {
    private static let shard = ShardID(2)
    private static let group = LogGroup.shard(shard)

    /// A node with many rows, and what its shard is exported as.
    private struct Source {
        let directory: TemporaryDirectory
        let engine: Engine
        let parts: [[UInt8]]
        let rows: ExportWorld.Rows

        init(seed: UInt64 = 1, dimension: Int = 4_096) throws {
            directory = try TemporaryDirectory()
            engine = try EngineFixture.open(directory.path)
            var history = ExportHistory(seed: seed, dimension: dimension)
            history.write(600)
            _ = try engine.apply(history.log.take())
            parts = try ExportWorld.export(group, of: engine)
            rows = try ExportWorld.rows(of: shard, in: engine)
        }

        var blocks: ArraySlice<[UInt8]> { parts.dropFirst() }
    }

    /// Another node's own rows of the shard, durable.
    private func old(_ disk: MemoryFileSystem) throws -> (Engine, ExportWorld.Rows) {
        let engine = try ExportWorld.open(disk)
        var history = ExportHistory(seed: 77, dimension: 4_096)
        history.write(60)
        _ = try engine.apply(history.log.take())
        try engine.database.syncLog()
        return (engine, try ExportWorld.rows(of: Self.shard, in: engine))
    }

    // MARK: Receivers

    @Test func `A receiver that ends behind any block goes on with the next`() throws {
        let source = try Source()
        #expect(source.parts.count >= 4)
        for stop in 0...source.blocks.count {
            let disk = MemoryFileSystem()
            var engine = try old(disk).0
            var rows = try ShardImport(source.parts[0], engine: engine)
            for block in source.blocks.prefix(stop) { try rows.take(block) }
            try EngineFixture.close(engine)
            engine = try ExportWorld.open(disk)
            try engine.deleteUnusedGenerations()
            rows = try ShardImport(source.parts[0], engine: engine)
            #expect(rows.held == stop)
            #expect(rows.isComplete == (stop == source.blocks.count))
            try ExportWorld.install(source.parts, in: engine)
            #expect(try ExportWorld.rows(of: Self.shard, in: engine) == source.rows)
            #expect(try ExportWorld.generations(of: Self.shard, in: engine).count == 1)
            try EngineFixture.close(engine)
        }
        try EngineFixture.close(source.engine)
    }

    @Test func `The power may go after any step: old rows count until the switch, new ones from then on`() throws {
        let source = try Source()
        let disk = MemoryFileSystem()
        let (engine, old) = try old(disk)
        var rows: ShardImport?
        var steps: [() throws -> Void] = [{ rows = try ShardImport(source.parts[0], engine: engine) }]
        for block in source.blocks { steps.append { try rows?.take(block) } }
        let switched = steps.count
        steps.append { if let image = try rows?.image() { try ExportWorld.switchTo(image, in: engine) } }
        steps.append { if let state = try rows?.image().state { try engine.adopt(Self.group, state) } }
        for (place, step) in steps.enumerated() {
            try step()
            for seed in 0...2 as ClosedRange<UInt64> {
                let left = disk.afterPowerLoss(seed: seed)
                try recover(left, source, place < switched ? old : nil)
            }
        }
        try EngineFixture.close(engine)
        try EngineFixture.close(source.engine)
    }

    /// - Parameter old: what counts; nil: the switch was durable.
    private func recover(_ disk: MemoryFileSystem, _ source: Source, _ old: ExportWorld.Rows?) throws {
        let engine = try ExportWorld.open(disk)
        try engine.deleteUnusedGenerations()
        #expect(try ExportWorld.rows(of: Self.shard, in: engine) == old ?? source.rows)
        if old != nil { try ExportWorld.install(source.parts, in: engine) }
        #expect(try ExportWorld.rows(of: Self.shard, in: engine) == source.rows)
        #expect(try ExportWorld.generations(of: Self.shard, in: engine).count == 1)
        #expect(try EngineFixture.stateRows(engine, tag: 0x0b) == 0)
        try EngineFixture.close(engine)
    }

    @Test func `Another export, or the end of the import, throws away what was received`() throws {
        let source = try Source()
        let disk = MemoryFileSystem()
        let (engine, old) = try old(disk)
        var rows = try ShardImport(source.parts[0], engine: engine)
        try rows.take(source.parts[1])
        let other = try Source(seed: 2)
        let begun = try ShardImport(other.parts[0], engine: engine)
        #expect(begun.held == 0)
        #expect(try ExportWorld.generations(of: Self.shard, in: engine) == [1])
        var again = try ShardImport(source.parts[0], engine: engine)
        #expect(again.held == 0)
        try again.take(source.parts[1])
        #expect(try ExportWorld.generations(of: Self.shard, in: engine).count == 2)
        try again.discard()
        #expect(try ExportWorld.generations(of: Self.shard, in: engine) == [1])
        #expect(try EngineFixture.stateRows(engine, tag: 0x0b) == 0)
        #expect(try ExportWorld.rows(of: Self.shard, in: engine) == old)
        for one in [engine, source.engine, other.engine] { try EngineFixture.close(one) }
    }

    @Test func `Blocks out of order, twice, damaged or of another export change nothing`() throws {
        let source = try Source()
        let other = try Source(seed: 2)
        let disk = MemoryFileSystem()
        let engine = try old(disk).0
        var rows = try ShardImport(source.parts[0], engine: engine)
        for (place, block) in source.blocks.enumerated() {
            var damaged = block
            damaged[damaged.count / 2] ^= 4
            for wrong in [damaged, Array(block.dropLast()), [], other.parts[place + 1]] + source.parts
            where wrong != block {
                #expect(throws: ExportError.self) { try rows.take(wrong) }
                #expect(rows.held == place)
            }
            try rows.take(block)
        }
        #expect(throws: ExportError.self) { try rows.take(source.parts[1]) }
        try ExportWorld.install(source.parts, in: engine)
        #expect(try ExportWorld.rows(of: Self.shard, in: engine) == source.rows)
        for one in [engine, source.engine, other.engine] { try EngineFixture.close(one) }
    }

    // MARK: Senders

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `A sender goes back and forth, and on from where another export of the same moment stopped`(
        seed: UInt64
    ) throws {
        let source = try Source()
        let blocks = Array(source.blocks)
        var random = Xoshiro256(seed: seed)
        let export = try ShardExport(
            of: Self.group, cluster: ExportWorld.cluster, shardCount: ExportWorld.shards,
            database: source.engine.database)
        #expect(export.header.encoded == source.parts[0])
        for _ in 0..<12 {
            var place = random.within(0...blocks.count)
            try export.seek(to: place)
            for _ in 0..<random.below(4) {
                let block = try export.next()
                #expect(block == (place < blocks.count ? blocks[place] : nil))
                place = min(place + 1, blocks.count)
            }
        }
        try export.seek(to: blocks.count)
        #expect(try export.next() == nil)
        #expect(throws: ExportError.self) { try export.seek(to: blocks.count + 1) }
        #expect(export.points == UInt64(source.rows.rows.keys.filter { $0[0] == 1 }.count))
        export.close()
        #expect(throws: ExportError.closed) { try export.seek(to: 0) }
        try EngineFixture.close(source.engine)
    }
}
