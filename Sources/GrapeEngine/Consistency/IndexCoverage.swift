import GrapeIndex
import GrapeModel
import GrapeStorage

/// A point of which an index may say something else than its row.
struct SuspectPoint: Sendable, Hashable {
    let collection: CollectionID
    let id: [UInt8]
}

/// Compares the points that indexes have of a shard with its rows: every row is in the index of each of its vectors with
/// the vector's version, and nothing else is. Where that is not so it is put right: an index is derived from the rows.
///
/// Apply goes on meanwhile. What looks wrong is looked at again between two turns of the shard, when it must be right.
struct IndexCoverage {
    let engine: Engine
    let shard: ShardID
    let generation: ReplicaGeneration

    private static let step = 1_024
    private static let recheckStep = 64

    private var group: LogGroup { .shard(shard) }

    /// - Parameter suspects: points whose rows were read and not found in the indexes as they are.
    /// - Returns: how many points were put right.
    func check(_ suspects: [SuspectPoint], isEnding: () -> Bool) throws(ApplyError) -> UInt32 {
        var differences = try reconcile(suspects)
        let collections = engine.serving.withLock { $0.collections.values.sorted { $0.schema.id < $1.schema.id } }
        for collection in collections {
            for index in collection.indexes {
                var next: UInt32 = 0
                var isMore = true
                while isMore, !isEnding() {
                    let points: [(key: [UInt8], version: UInt64)]
                    (points, isMore) = index.points(ofShard: shard.rawValue, from: &next, max: Self.step)
                    differences += try reconcile(try unknown(points, collection.schema.id))
                }
            }
        }
        return differences
    }

    /// Points of an index that have no row with this version of their vectors.
    private func unknown(
        _ points: [(key: [UInt8], version: UInt64)], _ collection: CollectionID
    ) throws(ApplyError) -> [SuspectPoint] {
        let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: collection)
        let sorted = points.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        do throws(StorageError) {
            let rows = try PointReader(database: engine.database).rows(sorted.map { prefix.key(ofEncoded: $0.key) })
            return zip(sorted, rows).compactMap { point, row in
                row?.vectorVersion.rawValue == point.version
                    ? nil : SuspectPoint(collection: collection, id: point.key)
            }
        } catch {
            throw .storage(error)
        }
    }

    private func reconcile(_ suspects: [SuspectPoint]) throws(ApplyError) -> UInt32 {
        var differences: UInt32 = 0
        for start in stride(from: 0, to: suspects.count, by: Self.recheckStep) {
            let part = suspects[start..<min(start + Self.recheckStep, suspects.count)]
            differences += try engine.exclusively([group]) { () throws(ApplyError) in try putRight(part) }
        }
        return differences
    }

    /// Between two turns of the shard.
    private func putRight(_ suspects: ArraySlice<SuspectPoint>) throws(ApplyError) -> UInt32 {
        guard engine.generation(of: group) == generation, engine.servedShards.contains(shard) else { return 0 }
        let collections = engine.serving.withLock { $0.collections }
        var changes: [IndexChange] = []
        for suspect in suspects {
            guard let collection = collections[suspect.collection] else { continue }
            if let change = try change(suspect, collection) { changes.append(change) }
        }
        guard !changes.isEmpty else { return 0 }
        do throws(IndexError) {
            try IndexChange.publish(changes, collections: collections, clock: engine.clock)
        } catch {
            throw .index(error)
        }
        engine.builder.wake()
        return UInt32(changes.count)
    }

    /// What makes the indexes say what the row says; nil where they do.
    private func change(_ suspect: SuspectPoint, _ collection: Collection) throws(ApplyError) -> IndexChange? {
        let prefix = RowKeyPrefix(shard: shard, generation: generation, collection: suspect.collection)
        let key = prefix.key(ofEncoded: suspect.id)
        do throws(StorageError) {
            guard let row = try engine.database.get(.vectors, key) else {
                let isGone = collection.indexes.allSatisfy { !$0.contains(key: suspect.id.span) }
                return isGone ? nil : .remove(suspect.collection, id: suspect.id)
            }
            let block = Array(row.dropFirst(VectorRow.headerBytes))
            guard let version = VectorRow.version(of: row.span), let positions = VectorBlock.positions(of: block.span)
            else { throw .damagedRow(path: engine.database.path, family: .vectors, key: key) }
            if collection.knows(suspect.id, version: version, positions: positions) { return nil }
            return .put(
                suspect.collection, id: suspect.id, form: nil, version: version, shard: shard, vectorBlock: block,
                payload: nil)
        } catch {
            throw .storage(error)
        }
    }
}

extension Collection {
    /// Whether the indexes have a point just as its row has it.
    func knows(_ id: [UInt8], version: LogIndex, positions: [UInt16]) -> Bool {
        for (position, index) in indexes.enumerated() {
            let wanted = positions.contains(UInt16(position)) ? version.rawValue : nil
            if index.version(ofKey: id.span) != wanted { return false }
        }
        return true
    }
}

extension VectorBlock {
    /// Positions of the vectors in a block, without copying these; nil where the bytes are no block.
    static func positions(of bytes: Span<UInt8>) -> [UInt16]? {
        var positions: [UInt16] = []
        var offset = 0
        while offset < bytes.count {
            guard bytes.count - offset >= headerBytes else { return nil }
            positions.append(bytes.uint16LittleEndian(at: offset))
            let count = Int(bytes.uint32LittleEndian(at: offset + 2))
            offset += headerBytes
            guard count <= (bytes.count - offset) / MemoryLayout<Float>.size else { return nil }
            offset += count * MemoryLayout<Float>.size
        }
        return positions
    }
}
