import Glibc
import GrapeCluster
import GrapeModel
import GrapeStorage
import GrapeTestKit
import Logging
import Testing

/// The power goes at the operations of a node's run on a disk in memory: log, apply, checkpoints and all. Each time a node
/// opens on what is left, and has every write that was acknowledged by then.
///
/// `GRAPE_POWER_LOSSES=1` looks at every operation instead of some.
@Suite(.timeLimit(.minutes(10)))
struct NodePowerLossTests {
    private struct Run {
        let files = MemoryFileSystem()
        /// The disk in memory knows files by their paths, so all nodes have one. The file of promises, which alone lies there
        /// for real, is later than what a power loss leaves, and goes.
        let directory: TemporaryDirectory
        /// Of each write, when it was sent and when it was answered: operations on the disk by then.
        var writes: [(id: Int, value: Int, sent: UInt64, answered: UInt64)] = []
    }

    private func open(_ files: MemoryFileSystem, _ directory: TemporaryDirectory) async throws -> Node {
        unlink(directory.path + "/acknowledged")
        var options = NodeOptions(dataDirectory: directory.path)
        options.storage.cacheBytes = 4 << 20
        options.storage.writeBufferBytes = 64 << 10
        options.storage.fileSystem = files
        options.shardCount = 2
        options.threads = 1
        options.checkpointIntervalSeconds = 1
        return try await Node.open(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Points that are written again and again, and flushes and a restart in between.
    private func run(every: UInt64, keeping: UInt64) async throws -> Run {
        var run = Run(directory: try TemporaryDirectory())
        run.files.noteLosses(every: every, seed: keeping)
        var random = SplitMix64(seed: 5 + keeping)
        for part in 0..<2 {
            let node = try await open(run.files, run.directory)
            for step in 0..<40 {
                let id = Int.random(in: 0..<12, using: &random)
                let value = part * 100 + step
                let point = Point(
                    id: WrittenID(number: UInt64(id)), vectors: [NamedVector(values: [Float(value), 1])],
                    payload: try Payload([
                        "value": .integer(Int64(value)), "text": .string(String(repeating: "x", count: 900)),
                    ]))
                let sent = run.files.operations
                _ = try await node.upsert([point], into: "default")
                run.writes.append((id, value, sent, run.files.operations))
            }
            await node.close()
        }
        return run
    }

    private func check(_ left: MemoryFileSystem, _ operations: UInt64, _ run: Run) async throws {
        let node = try await open(left, run.directory)
        for id in 0..<12 {
            let own = run.writes.filter { $0.id == id }
            let newest = own.last { $0.answered <= operations }?.value
            let possible = own.filter { $0.sent <= operations && $0.value >= newest ?? 0 }.map(\.value)
            let found: Int? =
                if try await node.collections().isEmpty {
                    nil
                } else {
                    try await node.point(.integer(UInt64(id)), in: "default").value.flatMap {
                        Int($0.vectors[0].values[0])
                    }
                }
            if let found {
                #expect(possible.contains(found), "point \(id) at operation \(operations): \(found), not \(possible)")
            } else {
                #expect(newest == nil, "point \(id) at operation \(operations): gone, \(newest ?? -1) was acknowledged")
            }
        }
        await node.close()
    }

    @Test("a node opens on what any power loss leaves, with all that was acknowledged", arguments: [0, 1] as [UInt64])
    func powerLoss(keeping: UInt64) async throws {
        let isLong = getenv("GRAPE_POWER_LOSSES") != nil
        let run = try await run(every: isLong ? 1 : 16, keeping: keeping)
        var losses = 0
        while let (operations, left) = run.files.takeLoss() {
            try await check(left, operations, run)
            losses += 1
        }
        print("power losses looked at: \(losses) of \(run.files.operations) operations")
        #expect(losses > 10)
    }
}
