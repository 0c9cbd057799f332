import CVectorKernels
import Synchronization

/// What storage holds of the index.
struct CheckpointProgress {
    /// Chunks that have a row.
    var written: Set<UInt32> = []
}

extension CollectionIndex {
    /// Hands over the chunks that changed since the last checkpoint, and empty bytes for those that hold nothing any
    /// more. Inserts, searches and sweeps go on; ordinals are not reused meanwhile. What changes while its chunk is
    /// being read is written again next time.
    ///
    /// A link may lead to a point of a chunk that is not written, or is written later: loading drops links to nothing,
    /// and any other link is as good as it leads somewhere near.
    package func checkpoint<Failure: Error>(
        _ write: (_ chunk: UInt32, _ bytes: [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        let pin = clock.pin()
        let result = checkpointing.withLock { progress -> Result<Void, Failure> in
            do throws(Failure) { return .success(try writeChunks(&progress, write)) } catch { return .failure(error) }
        }
        withExtendedLifetime(pin) {}
        try result.get()
    }

    /// Whether a checkpoint would write anything.
    package var hasUnsavedChanges: Bool {
        let dirty = arena.view.dirtyChunks
        return (0..<chunkCount).contains { grape_load_u8(dirty + $0) != 0 }
    }

    private var chunkCount: Int { (arena.highWater + Int(GRAPE_CHUNK_MASK)) >> Int(GRAPE_CHUNK_SHIFT) }

    private func writeChunks<Failure: Error>(
        _ progress: inout CheckpointProgress, _ write: (_ chunk: UInt32, _ bytes: [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        let dirty = arena.view.dirtyChunks
        let chunks = UInt32(chunkCount)
        for chunk in progress.written.filter({ $0 >= chunks }).sorted() {
            try write(chunk, [])
            progress.written.remove(chunk)
        }
        for chunk in 0..<chunks where grape_exchange_u8(dirty + Int(chunk), 0) != 0 {
            do throws(Failure) {
                let bytes = encode(chunk)
                guard !bytes.isEmpty || progress.written.contains(chunk) else { continue }
                try write(chunk, bytes)
                if bytes.isEmpty { progress.written.remove(chunk) } else { progress.written.insert(chunk) }
            } catch {
                grape_store_u8(dirty + Int(chunk), 1)
                throw error
            }
        }
    }

    /// The living points of the graph in a chunk; empty if there are none.
    private func encode(_ chunk: UInt32) -> [UInt8] {
        let points = arena.view
        var writer = ByteWriter()
        CheckpointFormat.writeHeader(chunk: chunk, fingerprint: parameters.fingerprint, to: &writer)
        let first = chunk << UInt32(GRAPE_CHUNK_SHIFT)
        let end = min(first + UInt32(GRAPE_CHUNK_POINTS), UInt32(arena.highWater))
        var count: UInt32 = 0
        for ordinal in first..<end where points.location(ordinal) == .graph && !points.isDead(ordinal) {
            encode(ordinal, slot: UInt16(ordinal - first), to: &writer)
            count += 1
        }
        guard count > 0 else { return [] }
        writer.rewrite(count, at: CheckpointFormat.headerBytes - 4)
        return writer.bytes
    }

    private func encode(_ ordinal: UInt32, slot: UInt16, to writer: inout ByteWriter) {
        let points = arena.view
        let record = points.record(ordinal)
        let level = points.level(ordinal)
        let key = keys.bytes(of: ordinal)
        writer.write(slot)
        writer.write(UInt8(level))
        writer.write(record.pointee.shard)
        writer.write(record.pointee.version)
        writer.write(UInt16(key.count))
        writer.write(key)
        for current in 0...level {
            let lists = graph.lists(level: current)
            let list = lists(ordinal)
            var links: [UInt32] = []
            for index in 0..<lists.capacity {
                let link = grape_load_u32(list + index)
                // A list that is being changed may show a link twice.
                if link != GRAPE_NO_ORDINAL, !links.contains(link) { links.append(link) }
            }
            writer.write(UInt16(links.count))
            for link in links { writer.write(link) }
        }
        let codeBytes = CheckpointFormat.codeBytes(parameters, arena.layout)
        if codeBytes > 0 { writer.write(UnsafeRawBufferPointer(start: points.code(ordinal), count: codeBytes)) }
    }
}
