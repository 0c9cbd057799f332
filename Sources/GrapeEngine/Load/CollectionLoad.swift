import Dispatch
import GrapeIndex
import GrapeModel
import GrapeStorage
import Logging
import Synchronization

/// Loads one collection: chunks of the index checkpoint first, then every row of every shard held is joined with
/// them. A point whose vector is as the checkpoint knows it keeps its place in the graph; another is indexed anew.
struct CollectionLoad {
    let database: Database
    let schema: CollectionSchema
    /// The shards that are held.
    let generations: [(ShardID, ReplicaGeneration)]
    let clock: VisibilityClock
    /// Shards with a damaged row are left out and named; else it stops the load.
    var sparesDamaged = false
    let logger: Logger

    func run() throws(ApplyError) -> (collection: Collection, damaged: [ShardID: StorageError]) {
        let started = ContinuousClock.now
        var loaders: [CollectionIndex.Loader] = []
        for (position, vector) in schema.vectors.enumerated() {
            do {
                let parameters = vector.indexParameters(schema.id, position: position)
                loaders.append(try CollectionIndex.Loader(parameters: parameters, clock: clock))
            } catch {
                throw .index(error)
            }
            do {
                try addChunks(to: loaders[position], position: position)
            } catch {
                throw .storage(error)
            }
        }
        let damaged = try joinRows(loaders)
        var indexes: [CollectionIndex] = []
        for (vector, loader) in zip(schema.vectors, loaders) {
            let (index, report) = loader.finish()
            indexes.append(index)
            logger.info(
                "index loaded",
                metadata: [
                    "collection": "\(schema.name)", "vector": "\(vector.name)", "kept": "\(report.kept)",
                    "to_index": "\(report.toTail)", "dropped": "\(report.dropped)",
                    "chunks_refused": "\(report.chunksRefused)", "took": "\(ContinuousClock.now - started)",
                ])
        }
        return (Collection(schema: schema, indexes: indexes), damaged)
    }

    /// A chunk that can't be read is left out: its points are indexed anew.
    private func addChunks(to loader: CollectionIndex.Loader, position: Int) throws(StorageError) {
        var cursor = try database.cursor(
            .indexCheckpoints, from: CheckpointKey.lowerBound(schema.id, position: position),
            to: CheckpointKey.upperBound(schema.id, position: position))
        var isFirst = true
        while isFirst || cursor.isValid {
            do {
                if isFirst { try cursor.seekToFirst() } else { try cursor.next() }
                isFirst = false
                guard cursor.isValid else { return }
                let chunk = cursor.key.uint32BigEndian(at: cursor.key.count - MemoryLayout<UInt32>.size)
                _ = loader.add(chunk: chunk, bytes: cursor.value)
            } catch {
                isFirst = false
                guard error.isDamage, cursor.isValid else { throw error }
                logger.warning("a damaged chunk of the index checkpoint is rebuilt", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Shards are read side by side. What can't be trusted is not served.
    private func joinRows(_ loaders: [CollectionIndex.Loader]) throws(ApplyError) -> [ShardID: StorageError] {
        let failure = Mutex<ApplyError?>(nil)
        let damaged = Mutex<[ShardID: StorageError]>([:])
        DispatchQueue.concurrentPerform(iterations: generations.count) { place in
            guard failure.withLock({ $0 == nil }) else { return }
            let (shard, generation) = generations[place]
            do throws(ApplyError) {
                try joinRows(
                    of: RowKeyPrefix(shard: shard, generation: generation, collection: schema.id), loaders)
            } catch {
                if sparesDamaged, case .storage(let storage) = error, storage.isDamage {
                    damaged.withLock { $0[shard] = storage }
                } else {
                    failure.withLock { $0 = $0 ?? error }
                }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return damaged.withLock { $0 }
    }

    private func joinRows(
        of prefix: RowKeyPrefix, _ loaders: [CollectionIndex.Loader]
    ) throws(ApplyError) {
        do {
            var cursor = try database.cursor(.vectors, from: prefix.lowerBound, to: prefix.upperBound)
            try cursor.seekToFirst()
            while cursor.isValid {
                guard let version = VectorRow.version(of: cursor.value),
                    let vectors = VectorRow.vectors(of: cursor.value)
                else {
                    throw StorageError.damagedRow(
                        path: database.path, family: .vectors, key: cursor.key.copyBytes())
                }
                let id = cursor.key.copyBytes(RowKeyPrefix.byteCount..<cursor.key.count)
                for vector in vectors where Int(vector.position) < loaders.count {
                    try loaders[Int(vector.position)].join(
                        key: id.span, version: version.rawValue, shard: prefix.shard.rawValue,
                        vector: vector.values.span)
                }
                try cursor.next()
            }
        } catch let error as StorageError {
            throw .storage(error)
        } catch let error as IndexError {
            throw .index(error)
        } catch {
            preconditionFailure("rows are joined with typed errors only: \(error)")
        }
    }
}
