// HOT PATH
import CVectorKernels

extension HNSWGraph {
    /// Links a point into the graph. The caller holds a pin; several threads may insert at once.
    ///
    /// 1. On each of its levels, find candidates and choose neighbours among them.
    /// 2. Write the point's own lists, on all levels.
    /// 3. Let the neighbours link back, from level 0 up.
    /// 4. See that at least one did.
    /// 5. Offer the point as entry.
    func insert(_ ordinal: UInt32, scratch: SearchScratch) {
        let points = arena.view
        let level = prepareLevels(ordinal)
        admit(ordinal)
        points.markDirty(ordinal)
        guard let entry = entryOrFirst(ordinal, level: level) else { return }

        let query = QueryOfPoint(ordinal, graph: self, scratch: scratch)
        var nearest = descend(from: entry, to: level, scorer: query.scorer, scratch: scratch)
        for current in stride(from: min(level, entry.level), through: 0, by: -1) {  // 1
            findCandidates(from: nearest, level: current, query: query, scratch: scratch)
            let best = scratch.beam.count > 0 ? scratch.beam.ordinal(at: 0) : nearest
            let chosen = chooseNeighbours(of: ordinal, level: current, query: query, scratch: scratch)
            write(chosen, of: ordinal, level: current)  // 2
            nearest = best
        }
        for current in 0...min(level, entry.level) {  // 3
            linkBack(to: ordinal, level: current, scratch: scratch)
        }
        ensureFound(ordinal, entry: entry, scratch: scratch)  // 4
        offerEntry(ordinal, level: level)  // 5
    }

    /// Draws a level; without memory for its lists the point stays on level 0.
    private func prepareLevels(_ ordinal: UInt32) -> Int {
        let level = drawLevel()
        guard level > 0, let block = try? upperLinks.allocate(level: level) else { return 0 }
        arena.view.setUpperBlock(ordinal, block)
        arena.view.setLevel(ordinal, level)
        return level
    }

    /// The entry; nil if there was none and the point has become it.
    private func entryOrFirst(_ ordinal: UInt32, level: Int) -> Entry? {
        // Bounded: it goes round only while other threads fill and empty the graph.
        while true {
            if let entry { return entry }
            if becomeFirstEntry(ordinal, level: level) { return nil }
        }
    }

    /// Fills the beam with the `efConstruction` nearest points, dead ones hidden.
    func findCandidates(from start: UInt32, level: Int, query: QueryOfPoint, scratch: SearchScratch) {
        scratch.beam.reset(width: parameters.efConstruction)
        scratch.beginVisits(count: arena.highWater)
        let admission = AdmitAsNeighbour(points: arena.view, newcomer: query.ordinal)
        enter(start, scorer: query.scorer, scratch: scratch, admission: admission)
        walk(
            level: level, scorer: query.scorer, scratch: scratch, admission: admission,
            expansionsMax: Swift.max(4 * parameters.efConstruction, 1_000))
    }

    /// The best of the beam by the heuristic.
    func chooseNeighbours(
        of ordinal: UInt32, level: Int, query: QueryOfPoint, scratch: SearchScratch
    ) -> NeighbourSelection {
        let selection = NeighbourSelection(graph: self, scratch: scratch)
        selection.begin()
        for position in 0..<scratch.beam.count where !scratch.beam.isHidden(at: position) {
            selection.offer(scratch.beam.ordinal(at: position), distance: scratch.beam.distance(at: position))
        }
        if query.isCoded { selection.rescore(query.exact) }
        selection.addLinksOfCopy(level: level, newcomer: ordinal, exact: query.exact)
        selection.choose(max: parameters.m)
        return selection
    }

    /// Adds the chosen to a point's own list, as far as there is room. Locked: a sweep may be mending the list.
    func write(_ selection: NeighbourSelection, of ordinal: UInt32, level: Int) {
        let lists = lists(level: level)
        let list = lists(ordinal)
        arena.view.lock(ordinal)
        defer { arena.view.unlock(ordinal) }
        var next = 0
        for slot in 0..<lists.capacity where grape_load_u32(list + slot) == GRAPE_NO_ORDINAL {
            while next < selection.chosenCount, isLinked(list, lists.capacity, to: selection.chosen[next]) { next += 1 }
            guard next < selection.chosenCount else { return }
            place(selection.chosen[next], in: list + slot, level: level)
            next += 1
        }
    }

    /// Has each neighbour of a new point link to it.
    private func linkBack(to ordinal: UInt32, level: Int, scratch: SearchScratch) {
        let lists = lists(level: level)
        let own = lists(ordinal)
        for index in 0..<lists.capacity {
            let neighbour = grape_load_u32(own + index)
            guard neighbour != GRAPE_NO_ORDINAL else { continue }
            addLink(from: neighbour, to: ordinal, level: level, scratch: scratch)
        }
    }
}

extension HNSWGraph {
    /// A point that nobody links to would never be found: copies of one vector crowd one another out of every list.
    ///
    /// 1. Take an empty slot of a candidate (the beam still holds those of level 0, nearest first).
    /// 2. Take an empty slot of a copy further down.
    /// 3. Take the place of a link that can be spared. Not sooner: the links that can be spared are a cluster's ways
    /// out.
    /// 4. Everything near is dead: link with whatever walks start from until a sweep has mended the surroundings.
    func ensureFound(_ ordinal: UInt32, entry: Entry, scratch: SearchScratch) {
        let points = arena.view
        guard grape_load_u32(points.inDegree(ordinal)) == 0 else { return }
        let beam = scratch.beam
        for position in 0..<beam.count where !beam.isHidden(at: position) {  // 1
            if forceLink(from: beam.ordinal(at: position), to: ordinal, replacing: false) { return }
        }
        if beam.count > 0, linkFromBelow(beam.ordinal(at: 0), to: ordinal) { return }  // 2
        for position in 0..<beam.count where !beam.isHidden(at: position) {  // 3
            if forceLink(from: beam.ordinal(at: position), to: ordinal, replacing: true) { return }
        }
        let start = self.entry ?? entry  // 4
        guard start.ordinal != ordinal else { return }
        _ = forceLink(from: start.ordinal, to: ordinal, replacing: true)
        _ = forceLink(from: ordinal, to: start.ordinal, replacing: true)
    }

    /// Goes down from a point along random links to copies of it until one has an empty slot. Thousands of copies of
    /// one vector hang together like a tree, of which the walk sees the top, where all slots are taken.
    private func linkFromBelow(_ top: UInt32, to ordinal: UInt32) -> Bool {
        let points = arena.view
        var generator = SplitMix64(seed: UInt64(ordinal))
        var current = top
        for _ in 0..<1_000 {
            let slot = Int(generator.next() % UInt64(arena.layout.linkCapacity))
            let next = grape_load_u32(points.links(current) + slot)
            guard next != GRAPE_NO_ORDINAL, next != ordinal, !points.isDead(next), isCopy(next, ordinal) else {
                continue
            }
            if forceLink(from: next, to: ordinal, replacing: false) { return true }
            current = next
        }
        return false
    }

    func isCopy(_ first: UInt32, _ second: UInt32) -> Bool {
        let one = arena.view.vector(first)
        let other = arena.view.vector(second)
        for index in 0..<arena.layout.dimension where one[index] != other[index] { return false }
        return true
    }
}

/// Leaves out dead points, which are about to go, and the point itself.
struct AdmitAsNeighbour: WalkAdmission {
    let points: PointArena.View
    let newcomer: UInt32

    @inline(__always)
    func admits(_ ordinal: UInt32) -> Bool { !points.isDead(ordinal) && ordinal != newcomer }
}

/// A stored point as the query of a walk: by its code if the index keeps codes, and by its vector.
struct QueryOfPoint {
    let ordinal: UInt32
    /// What the walk compares with.
    let scorer: Scorer
    /// Full vectors.
    let exact: Scorer
    let isCoded: Bool

    init(_ ordinal: UInt32, graph: HNSWGraph, scratch: SearchScratch) {
        self.ordinal = ordinal
        let points = graph.arena.view
        let vector = points.vector(ordinal)
        graph.space.describe(vector, against: points, in: scratch.full)
        exact = graph.space.fullScorer(scratch.full)
        if graph.parameters.walksCodes, let quantizer = graph.quantizer {
            scratch.reserve(floats: graph.arena.layout.paddedDimension)
            quantizer.prepare(vector, against: points, scratch: scratch)
            scorer = graph.space.codeScorer(scratch.coded)
            isCoded = true
        } else {
            scorer = exact
            isCoded = false
        }
    }
}
