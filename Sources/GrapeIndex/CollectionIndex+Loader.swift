import CVectorKernels
import Synchronization

/// How a load went.
package struct LoadReport: Hashable, Sendable {
    /// Points taken over with their links.
    package let kept: Int
    /// Points that have to be indexed anew.
    package let toTail: Int
    /// Points of the checkpoint whose rows did not come, or came in another version.
    package let dropped: Int
    package let chunksRefused: Int

    package init(kept: Int, toTail: Int, dropped: Int, chunksRefused: Int) {
        self.kept = kept
        self.toTail = toTail
        self.dropped = dropped
        self.chunksRefused = chunksRefused
    }
}

extension CollectionIndex {
    /// Makes an index of a checkpoint and the rows of storage. The rows are the truth: a chunk that is damaged, foreign
    /// or contradicts another is refused as a whole, and a point is kept only if its row has the same version.
    ///
    /// All chunks first, then all rows (each key once), then `finish`.
    ///
    /// Thread safety: `add` by one thread; `join` by any number at once; `finish` when all are done.
    package final class Loader: @unchecked Sendable {
        private let index: CollectionIndex
        private let waiting = Mutex<[UInt32]>([])
        private let joining = Atomic<Bool>(false)
        private var chunksRefused = 0
        private var chunks: Set<UInt32> = []
        private var reserved = 0

        package init(parameters: IndexParameters, clock: VisibilityClock) throws(IndexError) {
            index = try CollectionIndex(parameters: parameters, clock: clock)
        }

        /// Takes a chunk over; false if it is refused.
        package func add(chunk: UInt32, bytes: Span<UInt8>) -> Bool {
            precondition(!joining.load(ordering: .relaxed), "a chunk after the first row")
            // Whatever the row holds, the next checkpoint may delete it.
            index.checkpointing.withLock { _ = $0.written.insert(chunk) }
            let points = bytes.withUnsafeBufferPointer {
                CheckpointFormat.read(
                    chunk: chunk, bytes: UnsafeRawBufferPointer($0), parameters: index.parameters,
                    layout: index.arena.layout)
            }
            guard let points, chunks.insert(chunk).inserted, hasDistinctKeys(points), install(points, chunk: chunk)
            else {
                chunksRefused += 1
                return false
            }
            return true
        }

        private func hasDistinctKeys(_ points: [CheckpointFormat.Point]) -> Bool {
            var own: Set<[UInt8]> = []
            return points.allSatisfy { own.insert($0.key).inserted && !index.contains(key: $0.key.span) }
        }

        private func install(_ points: [CheckpointFormat.Point], chunk: UInt32) -> Bool {
            guard let last = points.last, (try? index.arena.reserve(Int(last.ordinal) + 1)) != nil else { return false }
            for point in points where (try? install(point)) == nil {
                // Out of memory in the middle: what is installed stays and is joined or dropped like the rest.
                return false
            }
            return true
        }

        private func install(_ point: CheckpointFormat.Point) throws(IndexError) {
            let view = index.arena.view
            let ordinal = point.ordinal
            let key = try index.keys.store(point.key.span)
            view.reset(ordinal)
            view.record(ordinal).pointee.key = key
            view.record(ordinal).pointee.version = point.version
            view.record(ordinal).pointee.shard = point.shard
            if point.level > 0, let block = try? index.graph.upperLinks.allocate(level: point.level) {
                view.setUpperBlock(ordinal, block)
                view.setLevel(ordinal, point.level)
            }
            for level in 0...view.level(ordinal) {
                let list = index.graph.lists(level: level)(ordinal)
                for (slot, link) in point.links[level].enumerated() { list[slot] = link }
            }
            point.code.withUnsafeBytes { code in
                guard let base = code.baseAddress, code.count > 0 else { return }
                view.code(ordinal).copyMemory(from: base, byteCount: code.count)
            }
            view.setLocation(ordinal, .loaded)
            _ = index.keys.enter(ordinal)
        }

        /// Takes a row: its point keeps its place in the graph if the checkpoint has it in this version.
        package func join(
            key: Span<UInt8>, version: UInt64, shard: UInt16, vector: Span<Float>
        ) throws(IndexError) {
            joining.store(true, ordering: .relaxed)
            let view = index.arena.view
            if let ordinal = index.keys.find(key), view.location(ordinal) == .loaded,
                view.record(ordinal).pointee.version == version, view.record(ordinal).pointee.shard == shard
            {
                index.graph.space.store(vector, to: view.vector(ordinal))
                if !index.parameters.walksCodes { index.makeCode(ordinal) }
                view.setLocation(ordinal, .graph)
                return
            }
            let staged = try index.stage(key: key, version: version, shard: shard, vector: vector)
            _ = index.keys.enter(staged.rawValue)
            waiting.withLock { $0.append(staged.rawValue) }
        }

        /// Drops what no row came for, mends the graph around it, and makes all points visible.
        package func finish() -> (index: CollectionIndex, report: LoadReport) {
            let waiting = waiting.withLock { $0 }
            let mended = SearchScratch.with { LoadedGraph(index: index).mend(scratch: $0) }
            index.publishLoaded(kept: mended.kept, waiting: waiting + mended.unreachable)
            if chunksRefused > 0 { index.markAllDirty() }
            let report = LoadReport(
                kept: mended.kept.count, toTail: waiting.count + mended.unreachable.count, dropped: mended.dropped,
                chunksRefused: chunksRefused)
            return (index, report)
        }
    }

    /// Makes all loaded points visible at once.
    fileprivate func publishLoaded(kept: [UInt32], waiting: [UInt32]) {
        let points = arena.view
        clock.publish { stamp in
            for ordinal in kept {
                points.setBirth(ordinal, stamp.rawValue)
                graph.noteBirth(stamp.rawValue)
            }
            for ordinal in waiting {
                points.setLocation(ordinal, .tail)
                points.setBirth(ordinal, stamp.rawValue)
                tail.append(ordinal)
            }
            liveCount.store(kept.count + waiting.count, ordering: .relaxed)
        }
    }

    fileprivate func markAllDirty() {
        for ordinal in stride(from: 0, to: UInt32(arena.highWater), by: Int(GRAPE_CHUNK_POINTS)) {
            arena.view.markDirty(ordinal)
        }
    }
}
