import CVectorKernels

/// Turns the points of a checkpoint, of which some have lost their rows and some links lead nowhere, into a sound
/// graph.
///
/// Belongs to the loader: nothing else knows of the index yet.
struct LoadedGraph {
    let index: CollectionIndex
    private let points: PointArena.View
    private let graph: HNSWGraph

    struct Mended {
        var kept: [UInt32]
        /// Cannot be reached from the entry; without links now, to be indexed anew.
        var unreachable: [UInt32]
        var dropped: Int
    }

    init(index: CollectionIndex) {
        self.index = index
        points = index.arena.view
        graph = index.graph
    }

    /// 1. Points without a row are doomed, ordinals without a point are free.
    /// 2. Links to anything else than a kept or doomed point of a sufficient level are dropped; in-degrees are counted.
    /// 3. The doomed are unlinked as in a sweep: their neighbours take over their links.
    /// 4. Points that the entry does not lead to are taken out.
    func mend(scratch: SearchScratch) -> Mended {
        var kept: [UInt32] = []
        let doomed = classify(&kept)  // 1
        for ordinal in kept + doomed { cleanLinks(ordinal) }  // 2
        let linked = kept.count + doomed.count
        for _ in 0..<linked { graph.countIn() }
        if let highest = kept.max(by: { points.level($0) < points.level($1) }) {
            graph.offerEntry(highest, level: points.level(highest))
        }
        graph.unlink(doomed, scratch: scratch)  // 3
        release(doomed)
        let reached = reachable()
        let unreachable = kept.filter { !reached[Int($0)] }
        if !unreachable.isEmpty { detach(unreachable, reached: reached) }  // 4
        return Mended(kept: kept.filter { reached[Int($0)] }, unreachable: unreachable, dropped: doomed.count)
    }

    private func classify(_ kept: inout [UInt32]) -> [UInt32] {
        var doomed: [UInt32] = []
        var unused: [UInt32] = []
        for ordinal in 0..<UInt32(index.arena.highWater) {
            switch points.location(ordinal) {
            case .graph: kept.append(ordinal)
            case .loaded:
                points.setLocation(ordinal, .doomed)
                grape_store_u8(points.deadMark(ordinal), 1)
                doomed.append(ordinal)
            case .free: unused.append(ordinal)
            case .staged: break
            case .tail, .claimed, .doomed, .retired:
                preconditionFailure("point \(ordinal) is ahead of the load")
            }
        }
        index.arena.free(unused)
        return doomed
    }

    private func cleanLinks(_ ordinal: UInt32) {
        let count = UInt32(index.arena.highWater)
        for level in 0...points.level(ordinal) {
            let lists = graph.lists(level: level)
            let list = lists(ordinal)
            for slot in 0..<lists.capacity where list[slot] != GRAPE_NO_ORDINAL {
                let link = list[slot]
                if link < count, isLinkable(points.location(link)), points.level(link) >= level {
                    if level == 0 { _ = grape_add_u32(points.inDegree(link), 1) }
                } else {
                    list[slot] = GRAPE_NO_ORDINAL
                    points.markDirty(ordinal)
                }
            }
        }
    }

    private func isLinkable(_ location: PointLocation) -> Bool { location == .graph || location == .doomed }

    /// Frees the doomed; keys that a newer row has taken over stay with it.
    private func release(_ doomed: [UInt32]) {
        for ordinal in doomed {
            let key = Array(index.keys.bytes(of: ordinal))
            if index.keys.find(key.span) == ordinal { _ = index.keys.remove(key.span) }
            graph.freeUpperLinks(of: ordinal)
            points.markDirty(ordinal)
        }
        index.keys.free(doomed)
        index.arena.free(doomed)
    }

    /// Marks of the points that links of level 0 lead to from the entry.
    private func reachable() -> [Bool] {
        var reached = [Bool](repeating: false, count: index.arena.highWater)
        guard let entry = graph.entry else { return reached }
        var open = [entry.ordinal]
        reached[Int(entry.ordinal)] = true
        while let ordinal = open.popLast() {
            let list = points.links(ordinal)
            for slot in 0..<index.arena.layout.linkCapacity where list[slot] != GRAPE_NO_ORDINAL {
                let link = Int(list[slot])
                guard !reached[link] else { continue }
                reached[link] = true
                open.append(list[slot])
            }
        }
        return reached
    }

    /// Takes points out that only each other lead to, on level 0; above, others may.
    private func detach(_ unreachable: [UInt32], reached: [Bool]) {
        for ordinal in unreachable {
            let list = points.links(ordinal)
            for slot in 0..<index.arena.layout.linkCapacity where list[slot] != GRAPE_NO_ORDINAL {
                _ = grape_subtract_u32(points.inDegree(list[slot]), 1)
                list[slot] = GRAPE_NO_ORDINAL
            }
            graph.freeUpperLinks(of: ordinal)
            points.markDirty(ordinal)
            points.setLocation(ordinal, .staged)
        }
        graph.dismiss(count: unreachable.count)
        for ordinal in 0..<UInt32(reached.count) where reached[Int(ordinal)] {
            for level in stride(from: 1, through: points.level(ordinal), by: 1) {
                let lists = graph.lists(level: level)
                let list = lists(ordinal)
                for slot in 0..<lists.capacity where list[slot] != GRAPE_NO_ORDINAL && !reached[Int(list[slot])] {
                    points.markDirty(ordinal)
                    list[slot] = GRAPE_NO_ORDINAL
                }
            }
        }
    }
}
