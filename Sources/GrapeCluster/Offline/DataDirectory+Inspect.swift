import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage

/// A group's log as a directory has it.
package struct LogFigures: Sendable {
    package let group: LogGroup
    package let replica: UInt64
    package let term: UInt64
    package let vote: UInt64
    package let committed: UInt64
    package let applied: UInt64
    package let first: UInt64
    package let last: UInt64
    package let voters: [UInt64]
    package let isLost: Bool
}

/// A shard as a directory has it.
package struct ShardFigures: Sendable {
    package let shard: ShardID
    package let applied: UInt64
    package let epoch: UInt32
    package let generation: UInt32
    package let points: UInt64
    package let digest: UInt64
}

/// Rows of the checkpoint of one vector's index.
package struct CheckpointFigures: Sendable {
    package let collection: String
    package let vector: String
    package let chunks: Int
    package let bytes: Int
}

/// A point, and where it is.
package struct FoundPoint: Sendable {
    package let collection: String
    package let shard: ShardID
    package let row: PointRow
    package let vectors: [NamedVector]
}

extension DataDirectory {
    package func logs() throws(GrapeError) -> [LogFigures] {
        try reading { () throws(StorageError) in
            var found: [LogFigures] = []
            for (group, _) in groups {
                guard let (record, log) = try ReplicaRows.read(group, database) else { continue }
                found.append(
                    LogFigures(
                        group: group, replica: record.id.rawValue, term: log.hardState.term.rawValue,
                        vote: log.hardState.vote.rawValue, committed: log.hardState.commit.rawValue,
                        applied: log.applied.index.rawValue, first: log.base.index.next.rawValue,
                        last: log.last.index.rawValue, voters: log.confState.voters.map(\.rawValue),
                        isLost: record.isLost))
            }
            return found
        }
    }

    package func shards() throws(GrapeError) -> [ShardFigures] {
        try reading { () throws(StorageError) in
            var found: [ShardFigures] = []
            for (group, state) in groups {
                guard case .shard(let shard) = group else { continue }
                var sum = RowDigest()
                let (from, to) = StateKey.digests(shard, state.generation)
                var cursor = try database.cursor(.state, from: from, to: to)
                try cursor.seekToFirst()
                while cursor.isValid {
                    guard let digest = RowDigest(encoded: cursor.value.copyBytes()) else {
                        throw .damagedRow(path: path, family: .state, key: cursor.key.copyBytes())
                    }
                    sum.points += digest.points
                    sum.sum &+= digest.sum
                    try cursor.next()
                }
                found.append(
                    ShardFigures(
                        shard: shard, applied: state.applied.rawValue, epoch: state.epoch.rawValue,
                        generation: state.generation.rawValue, points: sum.points, digest: sum.sum))
            }
            return found
        }
    }

    /// Points of a collection in the shards that are here.
    package func points(of collection: CollectionID) throws(GrapeError) -> UInt64 {
        try reading { () throws(StorageError) in
            var count: UInt64 = 0
            for (group, state) in groups {
                guard case .shard(let shard) = group else { continue }
                let prefix = RowKeyPrefix(shard: shard, generation: state.generation, collection: collection)
                guard let bytes = try database.get(.state, StateKey.digest(prefix)) else { continue }
                count += RowDigest(encoded: bytes)?.points ?? 0
            }
            return count
        }
    }

    package func checkpoints() throws(GrapeError) -> [CheckpointFigures] {
        try reading { () throws(StorageError) in
            var found: [CheckpointFigures] = []
            for entry in catalog.sortedEntries where entry.phase == .ready {
                for (position, vector) in entry.schema.vectors.enumerated() {
                    let range = CheckpointKey.range(entry.schema.id, position: position)
                    var (chunks, bytes) = (0, 0)
                    var cursor = try database.cursor(.indexCheckpoints, from: range.from, to: range.to)
                    try cursor.seekToFirst()
                    while cursor.isValid {
                        chunks += 1
                        bytes += cursor.value.count
                        try cursor.next()
                    }
                    found.append(
                        CheckpointFigures(
                            collection: entry.schema.name, vector: vector.name, chunks: chunks, bytes: bytes))
                }
            }
            return found
        }
    }

    /// Points of this id, in any collection.
    package func find(_ text: String) throws(GrapeError) -> [FoundPoint] {
        let id = PointID(canonical: Array(text.utf8))
        return try reading { () throws(StorageError) in
            var found: [FoundPoint] = []
            for entry in catalog.sortedEntries where entry.phase == .ready {
                let shard = ShardHash.shard(of: id.encoded, in: entry.schema.id, count: shardCount)
                guard let state = groups.first(where: { $0.group == .shard(shard) })?.state else { continue }
                let key = RowKeyPrefix(
                    shard: shard, generation: state.generation, collection: entry.schema.id
                ).key(of: id)
                guard let bytes = try database.get(.payloads, key) else { continue }
                guard let row = PointRow(encoded: bytes), let block = try database.get(.vectors, key),
                    let vectors = VectorRow.vectors(of: block.span)
                else { throw .damagedRow(path: path, family: .payloads, key: key) }
                let named = vectors.compactMap { vector in
                    Int(vector.position) < entry.schema.vectors.count
                        ? NamedVector(
                            name: entry.schema.vectors[Int(vector.position)].name, values: vector.values) : nil
                }
                found.append(FoundPoint(collection: entry.schema.name, shard: shard, row: row, vectors: named))
            }
            return found
        }
    }

    private func reading<Result>(_ body: () throws(StorageError) -> Result) throws(GrapeError) -> Result {
        do throws(StorageError) {
            return try body()
        } catch {
            throw GrapeError(error)
        }
    }
}
