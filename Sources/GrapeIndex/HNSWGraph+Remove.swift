import CVectorKernels

extension HNSWGraph {
    /// Takes doomed points out of the graph: afterwards no link leads to them.
    ///
    /// The points have location `doomed`, and every insert that runs began after they got it, so nobody adds links to
    /// them meanwhile. One pass over all links finds those that lead to them (an in-link is not always the mirror of an
    /// out-link); each list that loses links takes new ones from what the lost neighbours link to.
    func unlink(_ doomed: [UInt32], scratch: SearchScratch) {
        let points = arena.view
        replaceEntry(where: { points.location($0) == .doomed }, successor: highestPoint)
        for ordinal in 0..<UInt32(arena.highWater) where isLinkedPoint(ordinal) {
            for level in 0...points.level(ordinal) { mend(ordinal, level: level, scratch: scratch) }
        }
        var orphans: [UInt32] = []
        for ordinal in doomed { countOut(ordinal, orphans: &orphans) }
        dismiss(count: doomed.count)
        for orphan in orphans where points.location(orphan) == .graph { relink(orphan, scratch: scratch) }
    }

    /// Finds new neighbours for a point that hardly anybody links to.
    func relink(_ ordinal: UInt32, scratch: SearchScratch) {
        let points = arena.view
        guard let entry, entry.ordinal != ordinal, grape_load_u32(points.inDegree(ordinal)) == 0 else { return }
        let query = QueryOfPoint(ordinal, graph: self, scratch: scratch)
        let start = descend(from: entry, to: 0, scorer: query.scorer, scratch: scratch)
        findCandidates(from: start, level: 0, query: query, scratch: scratch)
        let selection = chooseNeighbours(of: ordinal, level: 0, query: query, scratch: scratch)
        write(selection, of: ordinal, level: 0)
        points.markDirty(ordinal)
        let chosen = (0..<selection.chosenCount).map { selection.chosen[$0] }
        for neighbour in chosen { addLink(from: neighbour, to: ordinal, level: 0, scratch: scratch) }
        ensureFound(ordinal, entry: entry, scratch: scratch)
    }

    private func isLinkedPoint(_ ordinal: UInt32) -> Bool {
        let location = arena.view.location(ordinal)
        return location == .graph || location == .claimed
    }

    private func highestPoint() -> Entry? {
        let points = arena.view
        var best: Entry?
        for ordinal in 0..<UInt32(arena.highWater) where points.location(ordinal) == .graph {
            let level = points.level(ordinal)
            if best.map({ level > $0.level }) ?? true { best = Entry(ordinal: ordinal, level: level) }
        }
        return best
    }

    /// Replaces links to doomed points in one list.
    private func mend(_ ordinal: UInt32, level: Int, scratch: SearchScratch) {
        let points = arena.view
        let lists = lists(level: level)
        let list = lists(ordinal)
        let isHit = (0..<lists.capacity).contains { isDoomed(grape_load_u32(list + $0)) }
        guard isHit else { return }
        points.lock(ordinal)
        defer { points.unlock(ordinal) }
        points.markDirty(ordinal)
        let selection = NeighbourSelection(graph: self, scratch: scratch)
        gatherSubstitutes(for: ordinal, lists: lists, selection: selection, scratch: scratch)
        selection.choose(max: lists.capacity)
        var next = 0
        for slot in 0..<lists.capacity {
            let link = grape_load_u32(list + slot)
            guard link == GRAPE_NO_ORDINAL || isDoomed(link) else { continue }
            while next < selection.chosenCount, isLinked(list, lists.capacity, to: selection.chosen[next]) { next += 1 }
            if level == 0, link != GRAPE_NO_ORDINAL { _ = grape_subtract_u32(points.inDegree(link), 1) }
            if next < selection.chosenCount {
                place(selection.chosen[next], in: list + slot, level: level)
                next += 1
            } else {
                grape_publish_u32(list + slot, GRAPE_NO_ORDINAL)
            }
        }
    }

    /// Offers the links that stay, and living points that the lost neighbours lead to: directly or, where few live,
    /// over other lost points, nearer ones first.
    private func gatherSubstitutes(
        for ordinal: UInt32, lists: Lists, selection: NeighbourSelection, scratch: SearchScratch
    ) {
        scratch.beginVisits(count: arena.highWater)
        scratch.visited[Int(ordinal)] = scratch.epoch
        selection.begin()
        var lost: [UInt32] = []
        var description = grape_query()
        withUnsafeMutablePointer(to: &description) { description in
            space.describe(arena.view.vector(ordinal), against: arena.view, in: description)
            let scorer = space.fullScorer(description)
            offerFresh(lists(ordinal), lists, &lost, selection: selection, scorer: scorer, scratch: scratch)
            let direct = lost.count
            var next = 0
            while next < lost.count, next < direct || (selection.count < lists.capacity && next < 256) {
                offerFresh(lists(lost[next]), lists, &lost, selection: selection, scorer: scorer, scratch: scratch)
                next += 1
            }
        }
        scratch.selection.sort()
    }

    /// Offers the living of a list that were not met before, and appends the doomed to `lost`.
    private func offerFresh(
        _ list: UnsafeMutablePointer<UInt32>, _ lists: Lists, _ lost: inout [UInt32], selection: NeighbourSelection,
        scorer: Scorer, scratch: SearchScratch
    ) {
        let points = arena.view
        let batch = scratch.batch
        let count = grape_gather_unvisited(
            list, lists.capacity, scratch.visited, scratch.visitedCount, scratch.epoch, batch)
        var living = 0
        for index in 0..<count {
            let link = batch[index]
            if isDoomed(link) { lost.append(link) }
            guard !points.isDead(link) else { continue }
            batch[living] = link
            living += 1
        }
        scorer(batch, living, into: scratch.distances)
        for index in 0..<living { selection.offer(batch[index], distance: scratch.distances[index]) }
    }

    @inline(__always)
    private func isDoomed(_ ordinal: UInt32) -> Bool {
        ordinal != GRAPE_NO_ORDINAL && arena.view.location(ordinal) == .doomed
    }

    /// Takes a doomed point's own links out of the counts; lists the points that only it led to.
    private func countOut(_ ordinal: UInt32, orphans: inout [UInt32]) {
        let points = arena.view
        let list = points.links(ordinal)
        for slot in 0..<arena.layout.linkCapacity {
            let link = grape_load_u32(list + slot)
            guard link != GRAPE_NO_ORDINAL else { continue }
            if grape_subtract_u32(points.inDegree(link), 1) == 1 { orphans.append(link) }
            grape_publish_u32(list + slot, GRAPE_NO_ORDINAL)
        }
    }
}
