import GrapeEngine
import GrapeModel

/// Fills hidden collections from a backup that was read once already, compares what is in them with what it holds, and
/// publishes them all in one step.
struct Restoring: Sendable {
    let path: String
    let contents: BackupContents
    let target: any RestoreTarget
    let replaces: Bool

    /// Points, and bytes of rows, that are written at once; and so many times at the same time.
    private static let batchPoints = 1_000
    private static let batchBytes = 2 << 20
    private static let batchesAtOnce = 4

    private struct Batch: Sendable {
        let collection: CollectionID
        var points: [ExportedPoint] = []
        var bytes = 0
    }

    /// Whatever fails, what was begun is given up before it throws.
    func run() async throws {
        if !replaces {
            for collection in contents.collections where try await target.has(collection.name) {
                throw ToolFailure(.refused, "collection \(collection.name) exists already: --replace takes its place")
            }
        }
        let shardCount = try await target.shardCount
        var begun: [CollectionID] = []
        do {
            for collection in contents.collections {
                begun.append(try await target.begin(collection.name, collection.vectors))
            }
            try await fill(begun)
            try await compare(begun, shardCount)
            try await target.publish(begun, replacing: replaces)
        } catch {
            let target = target
            // Apart from this task: it may have been cancelled.
            await Task.detached { [begun] in
                for id in begun { try? await target.discard(id) }
            }.value
            throw error
        }
    }

    private func fill(_ begun: [CollectionID]) async throws {
        let targets = Dictionary(uniqueKeysWithValues: zip(contents.collections.map(\.id), begun))
        var reader = try ArchiveReader(path)
        guard reader.manifest == contents.manifest else { throw ToolFailure(.failed, "\(path) was changed meanwhile") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            var open: [CollectionID: Batch] = [:]
            func send(_ batch: Batch) async throws {
                if running == Self.batchesAtOnce {
                    try await group.next()
                    running -= 1
                }
                running += 1
                group.addTask { try await target.write(batch.points, into: batch.collection) }
            }
            while let item = try reader.read() {
                guard case .records(let records) = item else { continue }
                try Task.checkCancellation()
                for case .point(let point) in records {
                    guard let id = targets[point.collection] else { continue }
                    var batch = open[id] ?? Batch(collection: id)
                    batch.points.append(point)
                    batch.bytes += point.vectorBlock.count + point.row.payload.json.count
                    open[id] = batch
                    if batch.points.count >= Self.batchPoints || batch.bytes >= Self.batchBytes {
                        open[id] = nil
                        try await send(batch)
                    }
                }
                Terminal.progress("restore", 0.95 * reader.progress)
            }
            for batch in open.values { try await send(batch) }
            try await group.waitForAll()
        }
    }

    private func compare(_ begun: [CollectionID], _ shardCount: Int) async throws {
        for (collection, id) in zip(contents.collections, begun) {
            var found = RowDigest()
            for shard in 0..<shardCount {
                let one = try await target.content(id, ShardID(UInt16(shard)))
                found.points += one.points
                found.sum &+= one.sum
                Terminal.progress("compare", 0.95 + 0.05 * Double(shard + 1) / Double(shardCount))
            }
            guard found == collection.content else {
                throw ToolFailure(
                    .failed,
                    "collection \(collection.name) has \(found.points) points with digest \(found.sum.hex) after the restore, "
                        + "\(collection.content.points) with \(collection.content.sum.hex) are in the backup")
            }
        }
    }
}
