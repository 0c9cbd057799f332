import CVectorKernels
import GrapeModel

// Searches over some of the shards, and the end of a shard. The path of a search over everything stays as it is.
extension CollectionIndex {
    /// The `limit` best points of these shards that the pin sees, best first. The walk goes through points of other
    /// shards; where it comes back with too few, all points of the shards are scored.
    package func search(
        _ query: Span<Float>, limit: Int, ef: Int = 100, exact: Bool = false, pin: VisibilityPin, shards: ShardSet
    ) -> [Hit] {
        guard limit > 0, !shards.isEmpty else { return [] }
        return SearchScratch.with { scratch in
            let search = PreparedSearch(
                index: self, query: query, scratch: scratch, pin: pin, scans: !exact && isTailLong)
            let width = min(max(ef, limit), IndexLimits.efMax)
            if exact { return search.scanAll(limit: limit, shards: shards) }
            let walked = search.candidates(width: search.walkWidth(width), limit: limit, shards: shards)
            guard let walked else { return search.scanAll(limit: limit, shards: shards) }
            let hits = search.best(of: walked, limit: limit)
            return hits.count < min(limit, live) ? search.scanAll(limit: limit, shards: shards) : hits
        }
    }

    /// Ends points of a shard among `max` ordinals from `next` on, which moves on. -> false when all have been looked at.
    /// Points of the shard that are born meanwhile stay. Not to be called inside `publish`.
    package func killPoints(ofShard shard: UInt16, from next: inout UInt32, max: Int) -> Bool {
        let pin = clock.pin()
        let end = Int(next) + max < arena.highWater ? next + UInt32(max) : UInt32(arena.highWater)
        let points = arena.view
        let found = (next..<end).filter { ordinal in
            points.isVisible(ordinal, at: pin.stamp.rawValue) && points.record(ordinal).pointee.shard == shard
        }
        if !found.isEmpty {
            clock.publish { stamp in
                for ordinal in found { kill(ordinal: ordinal, at: stamp) }
            }
        }
        // Until here: a pinned point keeps its ordinal and its key.
        withExtendedLifetime(pin) {}
        next = end
        return Int(end) < arena.highWater
    }

    /// Points of a shard among `max` ordinals from `next` on, which moves on, and whether there are more.
    package func points(
        ofShard shard: UInt16, from next: inout UInt32, max: Int
    ) -> (points: [(key: [UInt8], version: UInt64)], isMore: Bool) {
        let pin = clock.pin()
        let end = Int(next) + max < arena.highWater ? next + UInt32(max) : UInt32(arena.highWater)
        let arenaView = arena.view
        var found: [(key: [UInt8], version: UInt64)] = []
        for ordinal in next..<Swift.max(next, end)
        where arenaView.isVisible(ordinal, at: pin.stamp.rawValue) && arenaView.record(ordinal).pointee.shard == shard {
            found.append((key(of: Ordinal(rawValue: ordinal)), arenaView.record(ordinal).pointee.version))
        }
        // Until here: a pinned point keeps its ordinal and its key.
        withExtendedLifetime(pin) {}
        next = end
        return (found, Int(end) < arena.highWater)
    }

    /// Ends this point if it is the live one of its key.
    private func kill(ordinal: UInt32, at stamp: Stamp) {
        let key = key(of: Ordinal(rawValue: ordinal))
        guard keys.find(key.span) == ordinal else { return }
        _ = kill(key: key.span, at: stamp)
    }
}

/// Only points of some shards are answers.
private struct AdmitShards: WalkAdmission {
    let points: PointArena.View
    let stamp: UInt64
    let shards: ShardSet

    @inline(__always)
    func admits(_ ordinal: UInt32) -> Bool {
        // Before its birth a point's record may be in the making.
        points.isVisible(ordinal, at: stamp) && shards.contains(ShardID(points.record(ordinal).pointee.shard))
    }
}

extension PreparedSearch {
    private func admission(_ shards: ShardSet) -> AdmitShards {
        AdmitShards(points: points, stamp: stamp, shards: shards)
    }

    /// As `candidates(width:)`, of these shards.
    fileprivate func candidates(width: Int, limit: Int, shards: ShardSet) -> [UInt64]? {
        let live = index.live
        guard width < max(live / 32, 16) || width <= 128 else { return nil }
        let segments = index.tail.snapshot()
        guard index.graph.entry != nil else {
            return CollectionIndex.mergeDistinct(
                [], tailCandidates(segments, width: limit, scorer: full) { keep(shards, of: $0) })
        }
        // The tail is read before the graph: what leaves it meanwhile is found in the graph.
        let waiting = tailCandidates(segments, limit: limit, width: width) { keep(shards, of: $0) }
        let isComplete = index.graph.search(
            scorer: coarse, scratch: scratch, width: width, admission: admission(shards),
            expansionsMax: max(8 * width, live / 8))
        return isComplete ? merge(waiting) : nil
    }

    fileprivate func scanAll(limit: Int, shards: ShardSet) -> [Hit] {
        var heap = CandidateHeap(capacity: limit)
        forEachBatch { count in scoreVisible(keep(shards, of: count), into: &heap, scorer: full) }
        return hits(heap.sorted(), limit: limit)
    }

    /// Moves the visible points of the shards to the front of the batch. -> how many they are.
    private func keep(_ shards: ShardSet, of count: Int) -> Int {
        let batch = scratch.batch
        let admission = admission(shards)
        var kept = 0
        for position in 0..<count where admission.admits(batch[position]) {
            batch[kept] = batch[position]
            kept += 1
        }
        return kept
    }
}
