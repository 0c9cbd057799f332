import CVectorKernels

/// A search under way: the query in the forms that kernels take, the scratch area, the stamp.
struct PreparedSearch {
    let index: CollectionIndex
    let points: PointArena.View
    let scratch: SearchScratch
    let stamp: UInt64
    private let pin: VisibilityPin
    /// Compares with full vectors.
    let full: Scorer
    /// Compares as the walk does.
    let coarse: Scorer
    /// Whether that is with codes.
    let isCoded: Bool
    /// Compares with codes, if there are any; the walk may not use them.
    let rough: Scorer?

    /// - Parameter scans: points will be scored by the thousand: codes pay also where the walk does without.
    init(
        index: CollectionIndex, query: Span<Float>, scratch: SearchScratch, pin: VisibilityPin, scans: Bool = false
    ) {
        self.index = index
        self.scratch = scratch
        self.pin = pin
        stamp = pin.stamp.rawValue
        points = index.arena.view
        let space = index.graph.space
        scratch.reserve(floats: index.arena.layout.paddedDimension)
        space.store(query, to: scratch.floats)
        space.describe(scratch.floats, against: points, in: scratch.full)
        full = space.fullScorer(scratch.full)
        if scans || index.parameters.walksCodes, let quantizer = index.graph.quantizer {
            quantizer.prepare(scratch.floats, against: points, scratch: scratch)
            rough = space.codeScorer(scratch.coded)
        } else {
            rough = nil
        }
        isCoded = rough != nil && index.parameters.walksCodes
        coarse = isCoded ? rough ?? full : full
    }

    /// Candidates that the walk keeps where `width` were asked for. Estimates put some of the best in the wrong place,
    /// so a coded walk keeps twice as many; one of them costs a fraction of a full vector.
    func walkWidth(_ width: Int) -> Int { isCoded ? min(2 * width, IndexLimits.efMax) : width }

    /// How far behind the best the walk looks.
    private func reach(width: Int, limit: Int) -> Beam.Reach {
        let rank = max(limit, width / IndexLimits.reachRankShare, IndexLimits.reachRankMin)
        return index.graph.space.reach(rank: rank, queryNorm: isCoded ? scratch.coded.pointee.squared_norm : nil)
    }

    /// What the tail and the graph have: entries as in `Beam`, best first. Nil if a scan is called for.
    func candidates(width: Int, limit: Int) -> [UInt64]? {
        let live = index.live
        // A walk scores about sixteen points for each that it keeps, and at random places.
        guard width < max(live / 32, 16) || width <= 128 else { return nil }
        let segments = index.tail.snapshot()
        guard index.graph.entry != nil else {
            return CollectionIndex.mergeDistinct([], tailCandidates(segments, width: limit, scorer: full))
        }
        // The tail is read before the graph: what leaves it meanwhile is found in the graph.
        let waiting = tailCandidates(segments, limit: limit, width: width)
        let isComplete = index.graph.search(
            scorer: coarse, scratch: scratch, width: width, reach: reach(width: width, limit: limit), stamp: stamp,
            anyDead: index.anyDeath, expansionsMax: max(8 * width, live / 8))
        guard isComplete else { return nil }
        return merge(waiting)
    }

    /// The nearest of the tail, at distances as the walk has them. By codes where there are some; a walk over full
    /// vectors then takes the best of them at their true distances.
    func tailCandidates(
        _ segments: [TailSegment], limit: Int, width: Int, keep: (_ count: Int) -> Int = { $0 }
    ) -> [UInt64] {
        // No more than can be among the results, or among those that are scored again.
        guard !isCoded else {
            let wanted = min(width, rescored(limit: limit, candidates: width))
            return tailCandidates(segments, width: wanted, scorer: coarse, keep: keep)
        }
        guard let rough else { return tailCandidates(segments, width: limit, scorer: coarse, keep: keep) }
        let wanted = nearestByCode(for: limit, of: index.tail.count)
        return nearestByVector(of: tailCandidates(segments, width: wanted, scorer: rough, keep: keep), limit: limit)
    }

    /// How many of `count` points, nearest by their codes, hold the best `limit`: the more there are, the more come near
    /// enough to be taken for them, and the fewer dimensions the less an estimate says (DESIGN D6).
    func nearestByCode(for limit: Int, of count: Int) -> Int {
        max(6 * limit, min(56 + count / 200, 112) * 384 / min(384, index.parameters.dimension))
    }

    /// - Parameter keep: moves those of the first `count` ordinals of the batch that may be answers to its front.
    func tailCandidates(
        _ segments: [TailSegment], width: Int, scorer: Scorer, keep: (_ count: Int) -> Int = { $0 }
    ) -> [UInt64] {
        guard !segments.isEmpty else { return [] }
        var heap = CandidateHeap(capacity: width)
        for segment in segments {
            var next = 0
            var slots = 1
            while slots > 0 {
                let copied = segment.copy(from: next, to: scratch.batch, max: IndexLimits.scanBatch)
                slots = copied.slots
                next += slots
                scoreVisible(keep(copied.points), into: &heap, scorer: scorer)
            }
        }
        return heap.sorted()
    }

    /// The candidates of the beam that may be answers and those of the tail, in one order. A point that was met in both
    /// has two equal entries, which lie side by side.
    func merge(_ waiting: [UInt64]) -> [UInt64] {
        let beam = scratch.beam
        var walked: [UInt64] = []
        walked.reserveCapacity(beam.count)
        for position in 0..<beam.count where !beam.isHidden(at: position) {
            walked.append(
                CandidateHeap.entry(distance: beam.distance(at: position), ordinal: beam.ordinal(at: position)))
        }
        return waiting.isEmpty ? walked : CollectionIndex.mergeDistinct(walked, waiting)
    }

    /// Scores the visible ones of the first `count` ordinals of the batch.
    func scoreVisible(_ count: Int, into heap: inout CandidateHeap, scorer: Scorer) {
        let batch = scratch.batch
        let distances = scratch.distances
        var visible = 0
        for position in 0..<count where points.isVisible(batch[position], at: stamp) {
            batch[visible] = batch[position]
            visible += 1
        }
        scorer(batch, visible, into: distances)
        for position in 0..<visible { heap.insert(distance: distances[position], ordinal: batch[position]) }
    }

    /// The best `limit` of a walk's candidates; estimates are replaced by true distances first.
    func best(of candidates: [UInt64], limit: Int) -> [Hit] {
        guard isCoded, index.graph.entry != nil else { return hits(candidates, limit: limit) }
        return rescore(candidates, limit: limit)
    }

    /// The best `limit` of candidates by their full vectors: in the order of their estimates, until one is estimated so
    /// far behind the worst that is kept that neither it nor those after it will belong to them.
    func rescore(_ candidates: [UInt64], limit: Int) -> [Hit] {
        hits(nearestByVector(of: candidates, limit: limit), limit: limit)
    }

    /// The same as entries with true distances.
    func nearestByVector(of candidates: [UInt64], limit: Int) -> [UInt64] {
        var heap = CandidateHeap(capacity: limit)
        let count = candidates.count
        var next = 0
        while next < count {
            let entry = candidates[next]
            let isFull = next >= limit
            if isFull, Beam.distance(entry) > heap.bound + IndexLimits.rescoredDeviations * deviation(of: entry) {
                break
            }
            let end = min(next + (isFull ? 8 : min(2 * limit, IndexLimits.scanBatch)), count)
            for position in next..<end { scratch.batch[position - next] = Beam.ordinal(candidates[position]) }
            scoreVisible(end - next, into: &heap, scorer: full)
            next = end
        }
        return heap.sorted()
    }

    /// Standard deviation, about, of an estimated distance from the true one.
    ///
    /// A vector and its signs have a cosine of √(2/π), so the rest of the signs is as 0.756 to what the vector has of
    /// them, and falls into any direction; the less is left of the query beside the vector, the less of it counts.
    func deviation(of entry: UInt64) -> Float {
        let query = scratch.coded.pointee
        let squaredNorm = points.codeTrailer(Beam.ordinal(entry)).pointee.squared_norm
        let norms = (squaredNorm * query.squared_norm).squareRoot()
        let product = (Beam.distance(entry) - query.norm_scale * squaredNorm - query.offset) / query.product_scale
        let rest = max(0, norms * norms - product * product).squareRoot()
        return abs(query.product_scale) * 0.756 * rest / Float(index.parameters.dimension).squareRoot()
    }

    /// How many of the tail, nearest by their codes, may be among the best. The more dimensions the surer the estimates:
    /// at 384 dimensions the best 40 hold the best 10 (0.98 of them), at 64 dimensions they need all.
    private func rescored(limit: Int, candidates: Int) -> Int {
        max(4 * limit, candidates * 192 / max(192, index.parameters.dimension), 64)
    }

    func hits(_ entries: [UInt64], limit: Int) -> [Hit] {
        var hits: [Hit] = []
        hits.reserveCapacity(min(limit, entries.count))
        for entry in entries {
            let ordinal = Beam.ordinal(entry)
            // The walk leaves out the dead that it knows of; births and deaths are looked up only here.
            guard points.isVisible(ordinal, at: stamp) else { continue }
            hits.append(
                Hit(
                    ordinal: Ordinal(rawValue: ordinal),
                    score: index.graph.space.score(distance: Beam.distance(entry)),
                    version: points.record(ordinal).pointee.version))
            if hits.count == limit { break }
        }
        return hits
    }

    /// Scores every visible point.
    func scanAll(limit: Int) -> [Hit] {
        var heap = CandidateHeap(capacity: limit)
        forEachBatch { count in scoreVisible(count, into: &heap, scorer: full) }
        return hits(heap.sorted(), limit: limit)
    }

    /// Fills the batch with ordinals, run by run, and calls `body` with how many there are.
    func forEachBatch(_ body: (Int) -> Void) {
        let end = index.arena.highWater
        var next = 0
        while next < end {
            let size = min(IndexLimits.scanBatch, end - next)
            for position in 0..<size { scratch.batch[position] = UInt32(next + position) }
            body(size)
            next += size
        }
    }

    /// Scores a vector from outside: a chunk of one.
    func score(of vector: Span<Float>) -> Float {
        let layout = index.arena.layout
        let floats = UnsafeMutableRawPointer.allocate(byteCount: layout.vectorStride, alignment: 64)
        defer { floats.deallocate() }
        let slot = floats.bindMemory(to: Float.self, capacity: layout.paddedDimension)
        index.graph.space.store(vector, to: slot)
        var chunk: UnsafePointer<UInt8>? = UnsafePointer(floats.assumingMemoryBound(to: UInt8.self))
        withUnsafePointer(to: &chunk) { chunk in
            scratch.full.pointee.chunks = chunk
            scratch.full.pointee.section = 0
            scratch.batch[0] = 0
            full(scratch.batch, 1, into: scratch.distances)
        }
        return index.graph.space.score(distance: scratch.distances[0])
    }
}
