import CVectorKernels

extension CollectionIndex {
    /// The `limit` best points that the pin sees and the filter matches, best first.
    ///
    /// The walk goes through points that do not match. When it has asked about so many that scoring all points costs
    /// less, it is given up for a scan, which asks in order of distance until `limit` points match: exact, and the
    /// fewer questions the more points match.
    package func search<Filter: OrdinalFilter>(
        _ query: Span<Float>, limit: Int, ef: Int = 100, exact: Bool = false, pin: VisibilityPin, filter: inout Filter
    ) -> [Hit] {
        guard limit > 0 else { return [] }
        var judge = FilterJudge(filter: filter)
        defer { filter = judge.filter }
        return SearchScratch.with { scratch in
            let search = PreparedSearch(index: self, query: query, scratch: scratch, pin: pin)
            let width = min(max(ef, limit), IndexLimits.efMax)
            if !exact, let hits = search.filteredWalk(limit: limit, width: width, judge: &judge) { return hits }
            return search.filteredScan(limit: limit, judge: &judge)
        }
    }
}

extension PreparedSearch {
    /// Walks the graph and scans the tail; nil if a scan of everything is cheaper.
    func filteredWalk<Filter: OrdinalFilter>(
        limit: Int, width: Int, judge: inout FilterJudge<Filter>
    ) -> [Hit]? {
        let live = index.live
        let budget = max(IndexLimits.filterBudgetMin, live / IndexLimits.filterBudgetShare)
        guard index.graph.entry != nil, width < budget else { return nil }
        // The tail is read before the graph: what leaves it meanwhile is found in the graph.
        var waiting = scoredTail()
        guard walkMatching(width: width, budget: budget, judge: &judge) else { return nil }
        var heap = CandidateHeap(capacity: limit)
        scoreWalked(limit: limit, into: &heap)
        let walked = heap.sorted()
        let fromTail = firstMatching(of: &waiting, limit: limit, judge: &judge)
        let merged = CollectionIndex.mergeDistinct(walked, fromTail)
        // Fewer than asked for: either few match, or the walk did not reach them.
        guard merged.count >= limit else { return nil }
        return hits(merged, limit: limit)
    }

    /// Scores all points and asks about the nearest until enough match.
    func filteredScan<Filter: OrdinalFilter>(limit: Int, judge: inout FilterJudge<Filter>) -> [Hit] {
        var entries: [UInt64] = []
        entries.reserveCapacity(index.live + index.live / 8)
        forEachBatch { count in appendVisible(count, to: &entries) }
        return hits(firstMatching(of: &entries, limit: limit, judge: &judge), limit: limit)
    }

    private func scoredTail() -> [UInt64] {
        var entries: [UInt64] = []
        for segment in index.tail.snapshot() {
            var next = 0
            var slots = 1
            while slots > 0 {
                let copied = segment.copy(from: next, to: scratch.batch, max: IndexLimits.scanBatch)
                slots = copied.slots
                next += slots
                appendVisible(copied.points, to: &entries)
            }
        }
        return entries
    }

    private func appendVisible(_ count: Int, to entries: inout [UInt64]) {
        let batch = scratch.batch
        var visible = 0
        for position in 0..<count where points.isVisible(batch[position], at: stamp) {
            batch[visible] = batch[position]
            visible += 1
        }
        full(batch, visible, into: scratch.distances)
        for position in 0..<visible {
            entries.append(CandidateHeap.entry(distance: scratch.distances[position], ordinal: batch[position]))
        }
    }

    /// The nearest matching entries, best first. Asks in batches, nearest first.
    private func firstMatching<Filter: OrdinalFilter>(
        of entries: inout [UInt64], limit: Int, judge: inout FilterJudge<Filter>
    ) -> [UInt64] {
        var nearest = NearestFirst(&entries)
        var matching: [UInt64] = []
        var asking: [UInt64] = []
        while matching.count < limit {
            asking.removeAll(keepingCapacity: true)
            while asking.count < min(64, max(8, limit)), let entry = nearest.next() { asking.append(entry) }
            guard !asking.isEmpty else { break }
            let ordinals = asking.map(Beam.ordinal)
            ordinals.withUnsafeBufferPointer { judge.consider($0) }
            for entry in asking where matching.count < limit && judge.matches(Beam.ordinal(entry)) {
                matching.append(entry)
            }
        }
        return matching
    }

    /// Like `HNSWGraph.walk`, asking the filter about the candidates that would enter the beam, those of one expanded
    /// point at once. False if the budget will not do.
    private func walkMatching<Filter: OrdinalFilter>(
        width: Int, budget: Int, judge: inout FilterJudge<Filter>
    ) -> Bool {
        let graph = index.graph
        scratch.beam.reset(width: width)
        guard let entry = graph.entry else { return true }
        let start = graph.descend(from: entry, to: 0, scorer: coarse, scratch: scratch)
        scratch.beginVisits(count: index.arena.highWater)
        scratch.visited[Int(start)] = scratch.epoch
        scratch.batch[0] = start
        let lists = graph.lists(level: 0)
        var count = 1
        var beam = scratch.beam
        defer { scratch.beam = beam }
        while true {
            coarse(scratch.batch, count, into: scratch.distances)
            admitMatching(count, to: &beam, judge: &judge)
            guard judge.canFind(width, within: budget) else { return false }
            guard let ordinal = beam.expandNext() else { return true }
            count = grape_gather_unvisited(
                lists(ordinal), lists.capacity, scratch.visited, scratch.visitedCount, scratch.epoch, scratch.batch)
        }
    }

    private func admitMatching<Filter: OrdinalFilter>(
        _ count: Int, to beam: inout Beam, judge: inout FilterJudge<Filter>
    ) {
        let batch = scratch.batch
        let distances = scratch.distances
        var near = 0
        for position in 0..<count where distances[position] < beam.bound {
            batch[near] = batch[position]
            distances[near] = distances[position]
            near += 1
        }
        // What the pin does not see is gone through without asking.
        let visible = (0..<near).filter { points.isVisible(batch[$0], at: stamp) }.map { batch[$0] }
        visible.withUnsafeBufferPointer { judge.consider($0) }
        for position in 0..<near where distances[position] < beam.bound {
            beam.insert(
                distance: distances[position], ordinal: batch[position], isHidden: !judge.matches(batch[position]))
        }
    }

    /// Scores the matching points of the beam with full vectors.
    private func scoreWalked(limit: Int, into heap: inout CandidateHeap) {
        let beam = scratch.beam
        var count = 0
        for position in 0..<beam.count where !beam.isHidden(at: position) {
            scratch.batch[count] = beam.ordinal(at: position)
            count += 1
            if count == IndexLimits.scanBatch {
                scoreVisible(count, into: &heap, scorer: full)
                count = 0
            }
        }
        scoreVisible(count, into: &heap, scorer: full)
    }
}

extension CollectionIndex {
    /// What the walk and the tail have, both sorted, in one list, equal entries once. A point may come from both, and
    /// twice from the tail: one that is put back stands in its new slot before it leaves the old.
    package static func mergeDistinct(_ walked: [UInt64], _ waiting: [UInt64]) -> [UInt64] {
        var merged: [UInt64] = []
        merged.reserveCapacity(walked.count + waiting.count)
        var (left, right) = (walked[...], waiting[...])
        while !left.isEmpty || !right.isEmpty {
            let entry = min(left.first ?? .max, right.first ?? .max)
            if left.first == entry { left.removeFirst() } else { right.removeFirst() }
            if merged.last != entry { merged.append(entry) }
        }
        return merged
    }
}
