import CVectorKernels

// Searches under a filter that columns answer.
extension CollectionIndex {
    /// To be taken under a pin, before the filter is put into numbers.
    package var journalMark: JournalMark { journal.mark }

    /// Says that numbers of these points were set. Before their birth; of points that live already, before the column
    /// counts as complete.
    package func noteCodes(of ordinals: [Ordinal]) {
        guard !ordinals.isEmpty else { return }
        journal.append(ordinals, max: max(IndexLimits.journalMin, arena.highWater / 4))
    }

    /// Voids lists of matching points: numbers were set in passing.
    package func renewMatchLists() { journal.beginAnew() }

    /// Points from `next` on that have no number in a column and may come to be shown; `next` moves on.
    /// -> nil behind the last.
    package func pointsUnknown(to column: OrdinalColumn, from next: inout UInt32, max: Int) -> [Ordinal]? {
        let highWater = UInt32(arena.highWater)
        guard next < highWater else { return nil }
        let end = min(highWater, next + UInt32(max))
        defer { next = end }
        return (next..<end).map { Ordinal(rawValue: $0) }.filter { isUnknown($0, to: column) }
    }

    package func isUnknown(_ ordinal: Ordinal, to column: OrdinalColumn) -> Bool {
        guard column.code(of: ordinal) == OrdinalColumn.unknown, !arena.view.isDead(ordinal.rawValue) else {
            return false
        }
        switch arena.view.location(ordinal.rawValue) {
        case .free, .doomed, .retired, .loaded: return false
        case .staged, .tail, .claimed, .graph: return true
        }
    }

    package func isVisible(_ ordinal: Ordinal, to pin: VisibilityPin) -> Bool {
        arena.view.isVisible(ordinal.rawValue, at: pin.stamp.rawValue)
    }

    /// The `limit` best points that the pin sees and the filter matches, best first.
    ///
    /// 1. Few match: they are scored, by codes if there are any, the best by full vectors.
    /// 2. More match: a walk that scores only what matches and goes through the rest to what lies behind.
    /// 3. Most match: a walk as without a filter, whose beam keeps what matches.
    ///
    /// Where a walk comes back with too few, the matching points are scored after all.
    ///
    /// - Parameters:
    ///   - list: kept by the caller with the filter, from search to search.
    ///   - plan: nil: whatever costs least.
    package func search(
        _ query: Span<Float>, limit: Int, ef: Int = 100, exact: Bool = false, pin: VisibilityPin,
        matching match: OrdinalMatch, list: MatchList, mark: JournalMark, plan wanted: MatchPlan? = nil
    ) -> [Hit] {
        guard limit > 0 else { return [] }
        return SearchScratch.with { scratch in
            let search = PreparedSearch(index: self, query: query, scratch: scratch, pin: pin, scans: true)
            return MatchView.with(match, points: search.points, stamp: search.stamp) { view in
                let known = list.ordinals(of: self, view: view, mark: mark)
                let width = search.walkWidth(min(max(ef, limit), IndexLimits.efMax))
                let plan = exact ? .score : wanted ?? search.plan(width: width, matching: known?.count)
                if plan != .score, let hits = search.walkMatching(plan, limit: limit, width: width, view: view) {
                    return hits
                }
                guard let known else { return search.scanMatching(limit: limit, view: view) }
                return search.score(known, limit: limit, isExact: exact, view: view)
            }
        }
    }
}

/// How a filtered search goes about it.
package enum MatchPlan: Sendable, Hashable {
    case score
    case walkThrough
    case walk
}

extension PreparedSearch {
    /// Nanoseconds, about, of what the plans cost; measured at 384 and 768 dimensions.
    func plan(width: Int, matching: Int?) -> MatchPlan {
        let live = max(1, index.live)
        guard index.graph.entry != nil, width < max(live / 32, 16) || width <= 128 else { return .score }
        guard let matching else { return .walk }
        let layout = index.arena.layout
        let scanned = 5 + 4 * (rough == nil ? layout.vectorStride : layout.codeStride) / 64
        let scored = 5 + 4 * (isCoded ? layout.codeStride : layout.vectorStride) / 64
        let share = max(1, live / max(1, matching))
        // A point that is expanded has about twenty neighbours not met before; each costs its score and its way into
        // the beam. What doesn't match costs a look at its number.
        let unfiltered = width * 20 * (scored + 25)
        let through = unfiltered + width * layout.linkCapacity * share * 8
        let costs = (score: matching * scanned, through: through, walk: unfiltered * share)
        // The walks find less than the scores of all that matches tell.
        if costs.score <= 2 * min(costs.through, costs.walk) { return .score }
        return costs.through < costs.walk ? .walkThrough : .walk
    }

    /// Walks the graph and looks through the tail; nil where fewer come back than were asked for.
    fileprivate func walkMatching(_ plan: MatchPlan, limit: Int, width: Int, view: MatchView) -> [Hit]? {
        // The tail is read before the graph: what leaves it meanwhile is found in the graph.
        let waiting = tailCandidates(index.tail.snapshot(), limit: limit, width: width) { keep($0, view) }
        let expansionsMax = max(16 * width, index.live / 8)
        let isComplete =
            plan == .walkThrough
            ? walkThrough(width: width, view: view, expansionsMax: expansionsMax)
            : index.graph.search(
                scorer: coarse, scratch: scratch, width: width, admission: AdmitMatching(view: view),
                expansionsMax: expansionsMax)
        guard isComplete else { return nil }
        let hits = best(of: merge(waiting), limit: limit)
        return hits.count < limit ? nil : hits
    }

    /// Scores all points that match.
    fileprivate func scanMatching(limit: Int, view: MatchView) -> [Hit] {
        var heap = CandidateHeap(capacity: limit)
        forEachBatch { count in scoreVisible(keep(count, view), into: &heap, scorer: full) }
        return hits(heap.sorted(), limit: limit)
    }

    /// Moves the matching points of the batch that the pin sees to its front. -> how many they are.
    private func keep(_ count: Int, _ view: MatchView) -> Int {
        let batch = scratch.batch
        var kept = 0
        for position in 0..<count where view.isAnswer(batch[position]) {
            batch[kept] = batch[position]
            kept += 1
        }
        return kept
    }

    /// The best of a list of matching points: the nearest by their codes, or all, by full vectors.
    fileprivate func score(_ ordinals: [UInt32], limit: Int, isExact: Bool, view: MatchView) -> [Hit] {
        let few = nearestByCode(for: limit, of: ordinals.count)
        guard !isExact, let rough, ordinals.count > 2 * few else {
            var heap = CandidateHeap(capacity: limit)
            forEachBatch(of: ordinals) { count in scoreVisible(keep(count, view), into: &heap, scorer: full) }
            return hits(heap.sorted(), limit: limit)
        }
        // Where distances lie close together the codes tell them apart badly: then many more are looked at.
        for rescored in [few, 6 * few] where rescored < ordinals.count {
            var nearest = CandidateHeap(capacity: rescored)
            forEachBatch(of: ordinals) { count in scoreLiving(count, into: &nearest, scorer: rough, view: view) }
            let entries = nearest.sorted()
            // Births are looked up only now. Where somebody is about to replace many points, theirs may have crowded
            // out what the pin sees.
            guard entries.allSatisfy({ view.isAnswer(Beam.ordinal($0)) }) else { break }
            let best = nearestByVector(of: entries, limit: limit)
            if rescored > few || isSure(best, outOf: entries) { return hits(best, limit: limit) }
        }
        return score(ordinals, limit: limit, isExact: true, view: view)
    }

    /// Whether points that were left out for their codes are far enough behind the best: by more than estimates are
    /// usually wrong.
    private func isSure(_ best: [UInt64], outOf entries: [UInt64]) -> Bool {
        guard let farthest = best.last, let boundary = entries.last else { return true }
        return Beam.distance(boundary) - Beam.distance(farthest)
            > IndexLimits.deviationsMin * deviation(of: boundary)
    }

    private func scoreLiving(_ count: Int, into heap: inout CandidateHeap, scorer: Scorer, view: MatchView) {
        let batch = scratch.batch
        let distances = scratch.distances
        scorer(batch, count, into: distances)
        // Few come this far: what a list holds that doesn't match any more costs a score, not a look at every point.
        var bound = heap.bound
        for position in 0..<count where distances[position] < bound {
            let ordinal = batch[position]
            guard view.matches(ordinal), !points.isDead(ordinal) || points.isVisible(ordinal, at: stamp) else {
                continue
            }
            heap.insert(distance: distances[position], ordinal: ordinal)
            bound = heap.bound
        }
    }

    private func forEachBatch(of ordinals: [UInt32], _ body: (Int) -> Void) {
        ordinals.withUnsafeBufferPointer { ordinals in
            guard let base = ordinals.baseAddress else { return }
            for start in stride(from: 0, to: ordinals.count, by: IndexLimits.scanBatch) {
                let size = min(IndexLimits.scanBatch, ordinals.count - start)
                scratch.batch.update(from: base + start, count: size)
                body(size)
            }
        }
    }
}
