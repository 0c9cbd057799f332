// HOT PATH
import CVectorKernels

extension PreparedSearch {
    /// Like `HNSWGraph.walk`, but only points that match are scored and kept. Where a neighbour doesn't match, its own
    /// neighbours are looked at in its place, until as many matching ones were seen as a list holds (the idea of
    /// ACORN: Patel and others, "Performant and predicate-agnostic search over vector embeddings and structured data",
    /// 2024). False if it was given up after `expansionsMax` points.
    func walkThrough(width: Int, view: MatchView, expansionsMax: Int) -> Bool {
        let graph = index.graph
        scratch.beam.reset(width: width)
        guard let entry = graph.entry else { return true }
        let start = graph.descend(from: entry, to: 0, scorer: coarse, scratch: scratch)
        scratch.beginVisits(count: index.arena.highWater)
        graph.enter(start, scorer: coarse, scratch: scratch, admission: AdmitMatching(view: view))
        let distances = scratch.distances
        let batch = scratch.batch
        var beam = scratch.beam
        defer { scratch.beam = beam }
        var expansions = 0
        while expansions < expansionsMax, let ordinal = beam.expandNext() {
            expansions += 1
            let count = gatherMatching(around: ordinal, view: view)
            coarse(batch, count, into: distances)
            for position in 0..<count where distances[position] < beam.bound {
                beam.insert(distance: distances[position], ordinal: batch[position], isHidden: false)
            }
        }
        return expansions < expansionsMax
    }

    /// Fills the batch with matching points not met before: neighbours, and neighbours of those that don't match.
    private func gatherMatching(around ordinal: UInt32, view: MatchView) -> Int {
        let capacity = index.arena.layout.linkCapacity
        let listBytes = capacity * MemoryLayout<UInt32>.stride
        let visited = scratch.visited
        let epoch = scratch.epoch
        let batch = scratch.batch
        let others = scratch.between
        var between = 0
        var seen = 0
        var count = 0
        let links = points.links(ordinal)
        for slot in 0..<capacity {
            let link = grape_load_u32(links + slot)
            guard link < UInt32(scratch.visitedCount) else { continue }
            let isNew = visited[Int(link)] != epoch
            visited[Int(link)] = epoch
            if view.isAnswer(link) {
                seen += 1
                batch[count] = link
                count += isNew ? 1 : 0
            } else if isNew {
                grape_prefetch(points.links(link), listBytes)
                others[between] = link
                between += 1
            }
        }
        var next = 0
        while next < between, seen < capacity {
            let links = points.links(others[next])
            next += 1
            for slot in 0..<capacity where seen < capacity {
                let link = grape_load_u32(links + slot)
                guard link < UInt32(scratch.visitedCount), view.matches(link) else { continue }
                seen += 1
                // What doesn't match stays unmarked: it may lead on from elsewhere.
                guard visited[Int(link)] != epoch, view.isAnswer(link) else { continue }
                visited[Int(link)] = epoch
                batch[count] = link
                count += 1
            }
        }
        return count
    }
}
