// HOT PATH
import CVectorKernels

/// Decides which candidates of a walk may be answers; those that may not are still gone through.
protocol WalkAdmission {
    func admits(_ ordinal: UInt32) -> Bool
}

/// Nothing in the graph is dead or too young: all are answers.
struct AdmitAll: WalkAdmission {
    @inline(__always)
    func admits(_ ordinal: UInt32) -> Bool { true }
}

/// Something is dead: the marks, 64 points a cache line, tell nearly always that this candidate is not.
struct AdmitUnlessDead: WalkAdmission {
    let points: PointArena.View
    let stamp: UInt64

    @inline(__always)
    func admits(_ ordinal: UInt32) -> Bool { !points.isDead(ordinal) || points.isVisible(ordinal, at: stamp) }
}

/// The pin is older than points of the graph: births count as well.
struct AdmitVisible: WalkAdmission {
    let points: PointArena.View
    let stamp: UInt64

    @inline(__always)
    func admits(_ ordinal: UInt32) -> Bool { points.isVisible(ordinal, at: stamp) }
}

extension HNSWGraph {
    /// Lists of links of one level.
    struct Lists {
        let points: PointArena.View
        let uppers: UpperLinks.View
        let level: Int
        let capacity: Int

        @inline(__always)
        func callAsFunction(_ ordinal: UInt32) -> UnsafeMutablePointer<UInt32> {
            if level == 0 { return points.links(ordinal) }
            let block = points.upperBlock(ordinal)
            precondition(block != GRAPE_NO_ORDINAL, "point \(ordinal) has no links above level 0")
            return uppers.block(block &+ UInt32(level - 1))
        }
    }

    func lists(level: Int) -> Lists {
        Lists(
            points: arena.view, uppers: upperLinks.view, level: level,
            capacity: level == 0 ? arena.layout.linkCapacity : parameters.m)
    }

    /// Steps from the entry down to just above `level`, always to the nearest neighbour. Begins new visits.
    func descend(from entry: Entry, to level: Int, scorer: Scorer, scratch: SearchScratch) -> UInt32 {
        var nearest = entry.ordinal
        guard entry.level > level else { return nearest }
        scratch.beginVisits(count: arena.highWater)
        let batch = scratch.batch
        let distances = scratch.distances
        let visited = scratch.visited
        let visitedCount = scratch.visitedCount
        let epoch = scratch.epoch
        batch[0] = nearest
        scorer(batch, 1, into: distances)
        var best = distances[0]
        for upper in stride(from: entry.level, to: level, by: -1) {
            let lists = lists(level: upper)
            var isImproved = true
            while isImproved {
                isImproved = false
                // What was scored before is no nearer than `best`, also on the level above: it need not come again.
                let count = grape_gather_unvisited(
                    lists(nearest), lists.capacity, visited, visitedCount, epoch, batch)
                scorer(batch, count, into: distances)
                for index in 0..<count where distances[index] < best {
                    best = distances[index]
                    nearest = batch[index]
                    isImproved = true
                }
            }
        }
        return nearest
    }

    /// Widens from what is in the beam until its answers are the nearest that links lead to. The caller has begun the
    /// visits, reset the beam and put the first candidates in. Returns false if more than `expansionsMax` points were
    /// gone through before the end.
    @discardableResult
    func walk<Admission: WalkAdmission>(
        level: Int, scorer: Scorer, scratch: SearchScratch, admission: Admission, expansionsMax: Int = .max
    ) -> Bool {
        let lists = lists(level: level)
        let listBytes = lists.capacity * MemoryLayout<UInt32>.stride
        let batch = scratch.batch
        let distances = scratch.distances
        let visited = scratch.visited
        let visitedCount = scratch.visitedCount
        let epoch = scratch.epoch
        var beam = scratch.beam
        var expansions = 0
        while expansions < expansionsMax, let ordinal = beam.expandNext() {
            expansions += 1
            let count = grape_gather_unvisited(lists(ordinal), lists.capacity, visited, visitedCount, epoch, batch)
            if let upcoming = beam.upcoming { grape_prefetch(lists(upcoming), listBytes) }
            scorer(batch, count, into: distances)
            for index in 0..<count where distances[index] < beam.bound {
                let candidate = batch[index]
                let isNext = beam.insert(
                    distance: distances[index], ordinal: candidate, isHidden: !admission.admits(candidate))
                if isNext { grape_prefetch(lists(candidate), listBytes) }
            }
        }
        scratch.beam = beam
        return expansions < expansionsMax
    }
}
