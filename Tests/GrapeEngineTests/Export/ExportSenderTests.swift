import GrapeEngine
import GrapeModel
import GrapeTestKit
import Testing

/// A transfer whose sender stops, or is followed by another one.
@Suite struct ExportSenderTests {
    private static let points = 200
    private static let shard = ShardID(0)
    private static let cluster = [UInt8](repeating: 7, count: 16)

    /// Rows of a few blocks.
    private func fill(_ engine: Engine) throws {
        var log = TestLog()
        log.create(dimension: 4_000)
        for id in 0..<UInt64(Self.points) {
            let origin = WriteOrigin(incarnation: 9, sequence: id + 1, lowestOpen: 0)
            let values = (0..<4_000).map { Float(id) + Float($0) }
            log.append(LogEntry(origin, .put(id, values)), Self.shard)
        }
        _ = try engine.apply(log.take())
    }

    private func export(_ engine: Engine) throws -> ShardExport {
        try ShardExport(of: .shard(Self.shard), cluster: Self.cluster, shardCount: 1, database: engine.database)
    }

    @Test func `Another export of the same moment goes on where the first one stopped`() throws {
        let directories = (try TemporaryDirectory(), try TemporaryDirectory())
        let sender = try EngineFixture.open(directories.0.path, shards: 1)
        let receiver = try EngineFixture.open(directories.1.path, shards: 1)
        try fill(sender)
        let first = try export(sender)
        var rows = try ShardImport(first.header.encoded, engine: receiver)
        for _ in 0..<2 { try rows.take(try #require(try first.next())) }
        first.close()

        let second = try export(sender)
        #expect(second.header.encoded == first.header.encoded)
        var resumed = try ShardImport(second.header.encoded, engine: receiver)
        #expect(resumed.held == 2 && !resumed.isComplete)
        while !resumed.isComplete {
            try second.seek(to: resumed.held)
            try resumed.take(try #require(try second.next()))
        }
        #expect(resumed.points == UInt64(Self.points))
        try second.seek(to: 1)
        #expect(try second.next() != nil, "back again")
        #expect(throws: ExportError.self) { try second.seek(to: 1_000) }
        second.close()
        for engine in [sender, receiver] { try EngineFixture.close(engine) }
    }
}
