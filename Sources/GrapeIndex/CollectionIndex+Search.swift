import CVectorKernels

extension CollectionIndex {
    /// The `limit` best points that the pin sees, best first.
    ///
    /// - Parameters:
    ///   - query: a vector of the index's dimension, finite, not zero under cosine.
    ///   - ef: candidates that the walk keeps; raised to `limit`.
    ///   - exact: score every point instead of walking.
    package func search(
        _ query: Span<Float>, limit: Int, ef: Int = 100, exact: Bool = false, pin: VisibilityPin
    ) -> [Hit] {
        guard limit > 0 else { return [] }
        return SearchScratch.with { scratch in
            let search = PreparedSearch(
                index: self, query: query, scratch: scratch, pin: pin, scans: !exact && isTailLong)
            let width = min(max(ef, limit), IndexLimits.efMax)
            if exact { return search.scanAll(limit: limit) }
            let walked = search.candidates(width: search.walkWidth(width), limit: limit)
            guard let candidates = walked else { return search.scanAll(limit: limit) }
            let hits = search.best(of: candidates, limit: limit)
            // The walk may end early where nearly everything around is dead.
            return hits.count < min(limit, live) ? search.scanAll(limit: limit) : hits
        }
    }

    /// Whether codes pay for scanning the tail.
    var isTailLong: Bool { tail.count > IndexLimits.scanBatch }

    /// Scores known candidates exactly, best first; those that the pin does not see are left out.
    package func rank(_ query: Span<Float>, among ordinals: Span<Ordinal>, limit: Int, pin: VisibilityPin) -> [Hit] {
        guard limit > 0, ordinals.count > 0 else { return [] }
        return SearchScratch.with { scratch in
            let search = PreparedSearch(index: self, query: query, scratch: scratch, pin: pin)
            var heap = CandidateHeap(capacity: limit)
            var next = 0
            while next < ordinals.count {
                let end = min(next + IndexLimits.scanBatch, ordinals.count)
                for index in next..<end { scratch.batch[index - next] = ordinals[index].rawValue }
                search.scoreVisible(end - next, into: &heap, scorer: search.full)
                next = end
            }
            return search.hits(heap.sorted(), limit: limit)
        }
    }

    /// Score of one point, which a held pin must show.
    package func score(_ query: Span<Float>, _ ordinal: Ordinal) -> Float {
        SearchScratch.with { scratch in
            let search = PreparedSearch(index: self, query: query, scratch: scratch, pin: clock.pin())
            scratch.batch[0] = ordinal.rawValue
            search.full(scratch.batch, 1, into: scratch.distances)
            return graph.space.score(distance: scratch.distances[0])
        }
    }

    /// Score of a vector that is not (or no longer) in the index, by the same arithmetic.
    package func score(_ query: Span<Float>, vector: Span<Float>) -> Float {
        SearchScratch.with { scratch in
            let search = PreparedSearch(index: self, query: query, scratch: scratch, pin: clock.pin())
            return search.score(of: vector)
        }
    }
}
