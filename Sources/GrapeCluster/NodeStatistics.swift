import GrapeEngine
import GrapeModel
import GrapeStorage

/// What a node holds and uses. All sizes in bytes.
package struct NodeStatistics: Sendable {
    package struct Memory: Sendable {
        package var vectorsBytes = 0
        package var codesBytes = 0
        package var linksBytes = 0
        package var cacheBytes = 0
        /// Memory of the process.
        package var totalBytes = 0
    }

    package struct Disk: Sendable {
        package var logBytes = 0
        package var rowsBytes = 0
        package var indexBytes = 0
        package var backupBytes = 0
        package var freeBytes = 0
    }

    package var points = 0
    package var indexedPoints = 0
    package var collections = 0
    package var shards = 0
    package var memory = Memory()
    package var disk = Disk()
    package var cacheHitRatio = 0.0
    /// Syncs of the write-ahead log since the start.
    package var walSyncs: UInt64 = 0
    package var memoryLimitBytes = 0
}

/// A shard as this node holds it.
package struct ShardStatistics: Sendable {
    package let shard: ShardID
    package let points: Int
    package let bytes: Int
    package let applied: LogIndex
}

extension Node {
    package func statistics() async throws(GrapeError) -> NodeStatistics {
        try await pool.run { () throws(GrapeError) in try self.readStatistics() }
    }

    package func shardStatistics() async throws(GrapeError) -> [ShardStatistics] {
        try await pool.run { () throws(GrapeError) in
            var rows: [ShardStatistics] = []
            let collections = self.engine.collections
            for shard in (0..<self.engine.shardCount).map({ ShardID(UInt16($0)) }) {
                var points = 0
                for collection in collections {
                    points += Int(try self.engine.digest(shard, collection.schema.id).points)
                }
                rows.append(
                    ShardStatistics(
                        shard: shard, points: points, bytes: Int(try self.engine.rowBytes(shard)),
                        applied: self.engine.appliedIndex(of: .shard(shard))))
            }
            return rows
        }
    }

    private func readStatistics() throws(GrapeError) -> NodeStatistics {
        let store: StorageStatistics
        var statistics = NodeStatistics()
        do {
            store = try database.statistics()
            statistics.disk.freeBytes = Int(try database.freeSpaceBytes)
        } catch {
            throw GrapeError(error)
        }
        for collection in engine.collections {
            statistics.collections += 1
            statistics.points += try engine.pointCount(collection.schema.id)
            statistics.indexedPoints += collection.indexes.map(\.counts.inGraph).max() ?? 0
        }
        for index in engine.collections.flatMap(\.indexes) {
            let memory = index.memory
            statistics.memory.vectorsBytes += memory.vectorsBytes
            statistics.memory.codesBytes += memory.codesBytes
            statistics.memory.linksBytes += memory.linksBytes
        }
        statistics.shards = engine.shardCount
        statistics.memory.cacheBytes = Int(store.cacheBytes)
        statistics.memory.totalBytes = ProcessStatistics.residentBytes
        statistics.memoryLimitBytes = memoryLimitBytes
        func bytes(_ families: ColumnFamily...) -> Int {
            families.reduce(0) { $0 + Int(store.familyBytes[$1] ?? 0) }
        }
        statistics.disk.logBytes = bytes(.log) + Int(store.walBytes)
        statistics.disk.rowsBytes = bytes(.vectors, .payloads)
        statistics.disk.indexBytes = bytes(.indexCheckpoints)
        statistics.disk.backupBytes = Int(backups.store.byteCount)
        statistics.cacheHitRatio = store.cacheHitRatio
        statistics.walSyncs = store.walSyncs
        return statistics
    }
}
