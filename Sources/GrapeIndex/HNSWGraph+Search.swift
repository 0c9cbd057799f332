// HOT PATH
import CVectorKernels

extension HNSWGraph {
    /// Walks the graph for a search pinned at `stamp`; the candidates are in the beam afterwards. `anyDead` tells
    /// whether some point may be dead at the stamp. Returns false if the walk was given up after `expansionsMax`
    /// points.
    func search(
        scorer: Scorer, scratch: SearchScratch, width: Int, reach: Beam.Reach, stamp: UInt64, anyDead: Bool,
        expansionsMax: Int
    ) -> Bool {
        scratch.beam.reset(width: width, reach: reach)
        guard let entry else { return true }
        let start = descend(from: entry, to: 0, scorer: scorer, scratch: scratch)
        // After the entry was read: the marks have room for it and all that it leads to.
        scratch.beginVisits(count: arena.highWater)
        let points = arena.view
        if newestBirth > stamp {
            let admission = AdmitVisible(points: points, stamp: stamp)
            enter(start, scorer: scorer, scratch: scratch, admission: admission)
            return walk(
                level: 0, scorer: scorer, scratch: scratch, admission: admission, expansionsMax: expansionsMax)
        }
        if anyDead {
            let admission = AdmitUnlessDead(points: points, stamp: stamp)
            enter(start, scorer: scorer, scratch: scratch, admission: admission)
            return walk(
                level: 0, scorer: scorer, scratch: scratch, admission: admission, expansionsMax: expansionsMax)
        }
        enter(start, scorer: scorer, scratch: scratch, admission: AdmitAll())
        return walk(level: 0, scorer: scorer, scratch: scratch, admission: AdmitAll(), expansionsMax: expansionsMax)
    }

    /// The same for callers who decide what an answer is.
    func search<Admission: WalkAdmission>(
        scorer: Scorer, scratch: SearchScratch, width: Int, admission: Admission, expansionsMax: Int
    ) -> Bool {
        scratch.beam.reset(width: width)
        guard let entry else { return true }
        let start = descend(from: entry, to: 0, scorer: scorer, scratch: scratch)
        scratch.beginVisits(count: arena.highWater)
        enter(start, scorer: scorer, scratch: scratch, admission: admission)
        return walk(level: 0, scorer: scorer, scratch: scratch, admission: admission, expansionsMax: expansionsMax)
    }

    /// Puts the first candidate into the empty beam.
    func enter<Admission: WalkAdmission>(
        _ ordinal: UInt32, scorer: Scorer, scratch: SearchScratch, admission: Admission
    ) {
        precondition(Int(ordinal) < scratch.visitedCount, "visits began before the entry \(ordinal) was known")
        scratch.visited[Int(ordinal)] = scratch.epoch
        scratch.batch[0] = ordinal
        scorer(scratch.batch, 1, into: scratch.distances)
        scratch.beam.insert(
            distance: scratch.distances[0], ordinal: ordinal, isHidden: !admission.admits(ordinal))
    }
}
