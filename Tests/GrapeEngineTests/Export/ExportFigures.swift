import Foundation
import GrapeEngine
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Testing

/// What an export and an import cost: `GRAPE_FIGURES=1 swift test -c release --filter ExportFigures` prints it.
@Suite struct ExportFigures {
    @Test(.enabled(if: ProcessInfo.processInfo.environment["GRAPE_FIGURES"] != nil))
    func `A hundred thousand points of 384 dimensions`() throws {
        let (points, dimension) = (100_000, 384)
        let directories = try (TemporaryDirectory(), TemporaryDirectory())
        let source = try EngineFixture.open(directories.0.path, shards: 1)
        let target = try EngineFixture.open(directories.1.path, shards: 1)
        var random = Xoshiro256(seed: 1)
        var log = TestLog()
        // Rows alone: the catalog comes later than they.
        for id in 0..<UInt64(points) {
            let values = (0..<dimension).map { _ in Float(random.below(2_000_001)) / 1_000_000 - 1 }
            log.append(LogEntry(.none, .put(id, values)), ShardID(0))
            if log.entries.count == 1_000 { _ = try source.apply(log.take()) }
        }
        let group = LogGroup.shard(ShardID(0))
        var (bytes, parts) = (0, [[UInt8]]())
        try measure("export", points) {
            parts = try ExportWorld.export(group, of: source, shardCount: 1)
            bytes = parts.reduce(0) { $0 + $1.count }
            return bytes
        }
        var rows = try ShardImport(parts[0], engine: target)
        try measure("import", points) {
            for block in parts.dropFirst() { try rows.take(block) }
            return bytes
        }
        let image = try rows.image()
        try ExportWorld.switchTo(image, in: target)
        log.create(dimension: dimension)
        _ = try target.apply(log.take())
        try measure("rows into the index", points) {
            try target.adopt(group, image.state)
            return bytes
        }
        #expect(try target.pointCount(EngineFixture.collection) == points)
        try EngineFixture.close(source)
        try EngineFixture.close(target)
    }

    private func measure(_ what: String, _ points: Int, _ body: () throws -> Int) rethrows {
        let (start, cpu) = (ContinuousClock.now, clock())
        let bytes = try body()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let used = Double(clock() - cpu) / Double(CLOCKS_PER_SEC) * 1e6 / Double(points)
        print(
            "\(what): \(bytes >> 20) MiB, \(Int(Double(bytes) / seconds / 1e6)) MB/s,",
            "\((used * 10).rounded() / 10) µs of CPU a point")
    }
}
