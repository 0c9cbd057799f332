import CVectorKernels
import GrapeModel
import Synchronization

/// The index of one named vector of one collection: all its points on this node, of all shards, in one graph.
///
/// A point is staged (its vector copied in, invisible), born (visible, in the tail), moved into the graph, killed
/// (invisible to later pins), unlinked and at last freed. Births and deaths happen inside `VisibilityClock.publish`;
/// everything else may run at the same time as anything.
///
/// Thread safety:
///  1. Ordinals, keys, tail and links are protected by their owners: `PointArena`, `KeyDirectory`, `Tail`, `HNSWGraph`.
///  2. A search pins a stamp, reads the tail, then walks the graph. A point leaves the tail after it is in the graph,
///     so it is met in one or both; met twice, it is one hit.
///  3. `anyDeath` counts up before a death is published, and down when no pin sees the point: a search that pins S and
///     then reads zero meets no point that is dead at S.
///  4. An ordinal passes from dead to free in three steps, each after a grace period (see `CollectionIndex+Sweep`);
///     `sweeping` is held by the one thread that takes them.
package final class CollectionIndex: @unchecked Sendable {
    package let parameters: IndexParameters
    package let clock: VisibilityClock
    let arena: PointArena
    let keys: KeyDirectory
    let graph: HNSWGraph
    let tail = Tail()
    /// Killed points that are not doomed yet, and points that left the tail dead.
    let dead = Mutex<[UInt32]>([])
    let dropped = Mutex<[UInt32]>([])
    let sweeping = Mutex(SweepProgress())
    let checkpointing = Mutex(CheckpointProgress())
    /// Points whose numbers in columns were set.
    let journal = OrdinalJournal()
    let deadCount = Atomic<Int>(0)
    let liveCount = Atomic<Int>(0)
    private let unsweptCount = Atomic<Int>(0)

    package init(parameters: IndexParameters, clock: VisibilityClock) throws(IndexError) {
        self.parameters = parameters
        self.clock = clock
        arena = try PointArena(parameters: parameters)
        keys = try KeyDirectory(points: arena.view)
        graph = try HNSWGraph(parameters: parameters, arena: arena)
    }

    /// Whether some point may be dead for a pin.
    var anyDeath: Bool { unsweptCount.load(ordering: .sequentiallyConsistent) > 0 }

    /// Live points.
    var live: Int { liveCount.load(ordering: .relaxed) }

    /// Counts points out that no link and no slot of the tail leads to any more.
    func countSwept(_ count: Int) {
        unsweptCount.wrappingSubtract(count, ordering: .sequentiallyConsistent)
    }
}

// Writing

extension CollectionIndex {
    /// Copies a vector in. The point is visible to nobody until its birth.
    /// - Parameter tag: kept with the key, see `setTag`.
    package func stage(
        key: Span<UInt8>, version: UInt64, shard: UInt16, vector: Span<Float>, tag: UInt8 = 0
    ) throws(IndexError) -> Ordinal {
        let ordinal = try arena.allocate()
        let points = arena.view
        do throws(IndexError) {
            points.record(ordinal).pointee.key = try keys.store(key)
            if tag != 0 { keys.setTag(of: ordinal, tag) }
        } catch {
            arena.free([ordinal])
            throw error
        }
        points.record(ordinal).pointee.version = version
        points.record(ordinal).pointee.shard = shard
        graph.space.store(vector, to: points.vector(ordinal))
        makeCode(ordinal)
        return Ordinal(rawValue: ordinal)
    }

    /// Makes the code of a point whose vector is in place, where codes are kept.
    func makeCode(_ ordinal: UInt32) {
        guard let quantizer = graph.quantizer else { return }
        let points = arena.view
        SearchScratch.with { scratch in
            scratch.reserve(floats: arena.layout.paddedDimension)
            quantizer.encode(points.vector(ordinal), to: points.code(ordinal), scratch: scratch.rotated)
        }
    }

    /// Gives a staged point up.
    package func discard(_ staged: Ordinal) {
        precondition(arena.view.location(staged.rawValue) == .staged, "discarding \(staged), which is not staged")
        keys.free([staged.rawValue])
        arena.free([staged.rawValue])
    }

    /// Makes a staged point the live one of its key from `stamp` on; the one that was dies with the same stamp.
    package func birth(_ staged: Ordinal, at stamp: Stamp) {
        let points = arena.view
        precondition(points.location(staged.rawValue) == .staged, "birth of \(staged), which is not staged")
        if let previous = keys.enter(staged.rawValue) {
            end(previous, at: stamp)
        } else {
            liveCount.wrappingAdd(1, ordering: .relaxed)
        }
        points.setLocation(staged.rawValue, .tail)
        points.setBirth(staged.rawValue, stamp.rawValue)
        tail.append(staged.rawValue)
    }

    /// Ends the live point of a key from `stamp` on; false if there is none.
    package func kill(key: Span<UInt8>, at stamp: Stamp) -> Bool {
        guard let ordinal = keys.remove(key) else { return false }
        end(ordinal, at: stamp)
        liveCount.wrappingSubtract(1, ordering: .relaxed)
        return true
    }

    private func end(_ ordinal: UInt32, at stamp: Stamp) {
        let points = arena.view
        unsweptCount.wrappingAdd(1, ordering: .sequentiallyConsistent)
        deadCount.wrappingAdd(1, ordering: .relaxed)
        points.setDeath(ordinal, stamp.rawValue)
        grape_store_u8(points.deadMark(ordinal), 1)
        dead.withLock { $0.append(ordinal) }
    }
}

// Looking up

extension CollectionIndex {
    package func contains(key: Span<UInt8>) -> Bool { keys.find(key) != nil }

    /// Version of the live point of a key.
    package func version(ofKey key: Span<UInt8>) -> UInt64? {
        // Pinned, so that the ordinal is not reused between finding and reading it.
        let pin = clock.pin()
        return withExtendedLifetime(pin) {
            keys.find(key).map { arena.view.record($0).pointee.version }
        }
    }

    /// The live point of a key, if the pin sees it.
    package func ordinal(ofKey key: Span<UInt8>, pin: VisibilityPin) -> Ordinal? {
        guard let ordinal = keys.find(key), arena.view.isVisible(ordinal, at: pin.stamp.rawValue) else { return nil }
        return Ordinal(rawValue: ordinal)
    }

    /// Key of a point, which a held pin must show.
    package func key(of ordinal: Ordinal) -> [UInt8] { Array(keys.bytes(of: ordinal.rawValue)) }

    /// Lends the key of a point, which a held pin must show, and its tag: two bits that `setTag` keeps with it.
    package func withKey<Result>(of ordinal: Ordinal, _ body: (Span<UInt8>, _ tag: UInt8) -> Result) -> Result {
        let bytes = keys.bytes(of: ordinal.rawValue).assumingMemoryBound(to: UInt8.self)
        return body(Span(_unsafeElements: bytes), keys.tag(of: ordinal.rawValue))
    }

    /// Keeps two bits with the key of a point, until its ordinal is freed; a held pin must show the point.
    package func setTag(of ordinal: Ordinal, _ tag: UInt8) { keys.setTag(of: ordinal.rawValue, tag) }

    /// Version of a point's vector; a held pin must show the point.
    package func version(of ordinal: Ordinal) -> UInt64 { arena.view.record(ordinal.rawValue).pointee.version }

    /// Shard of a point, which a held pin must show.
    package func shard(of ordinal: Ordinal) -> UInt16 { arena.view.record(ordinal.rawValue).pointee.shard }

    package var counts: IndexCounts {
        IndexCounts(
            live: live, inGraph: graph.count, tail: tail.count, dead: deadCount.load(ordering: .relaxed))
    }

    package var memory: IndexMemory {
        let points = arena.used
        let layout = arena.layout
        let small = MemoryLayout<PointRecord>.stride + 2 * MemoryLayout<UInt32>.stride + 2
        return IndexMemory(
            vectorsBytes: points * layout.vectorStride, codesBytes: points * layout.codeStride,
            linksBytes: points * layout.linkStride + graph.upperLinks.bytes,
            otherBytes: points * small + keys.bytesUsed + tail.bytes)
    }
}
