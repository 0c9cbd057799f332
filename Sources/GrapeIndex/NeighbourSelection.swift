// HOT PATH
import CVectorKernels

/// Chooses neighbours that lie in different directions: a candidate is left out if a chosen neighbour is nearer to it
/// than the point itself is (algorithm 4 of the paper).
///
/// Works in buffers of the scratch area; one selection at a time.
struct NeighbourSelection {
    private let graph: HNSWGraph
    private let points: PointArena.View
    private let buffers: SelectionBuffers

    init(graph: HNSWGraph, scratch: SearchScratch) {
        self.graph = graph
        points = graph.arena.view
        buffers = scratch.selection
    }

    /// Candidates, after `choose` nearest first: entries as in `Beam`.
    var candidates: UnsafeMutablePointer<UInt64> { buffers.candidates }
    var count: Int { buffers.count }
    var chosen: UnsafeMutablePointer<UInt32> { buffers.chosen }
    var chosenCount: Int { buffers.chosenCount }

    func begin() {
        buffers.count = 0
        buffers.chosenCount = 0
    }

    @inline(__always)
    func offer(_ ordinal: UInt32, distance: Float) {
        buffers.append(CandidateHeap.entry(distance: distance, ordinal: ordinal))
    }

    /// Replaces estimated distances by exact ones.
    func rescore(_ exact: Scorer) {
        let batch = buffers.batch
        let distances = buffers.distances
        var start = 0
        while start < count {
            let size = min(SelectionBuffers.batchCapacity, count - start)
            for index in 0..<size { batch[index] = Beam.ordinal(candidates[start + index]) }
            exact(batch, size, into: distances)
            for index in 0..<size {
                candidates[start + index] = CandidateHeap.entry(distance: distances[index], ordinal: batch[index])
            }
            start += size
        }
        buffers.sort()
    }

    /// If the nearest candidate is an exact copy of the new point, what it links to are candidates as well: the nearest
    /// found may all be copies, and a cluster of copies that link only to one another has no way out.
    func addLinksOfCopy(level: Int, newcomer: UInt32, exact: Scorer) {
        guard count > 1 else { return }
        let nearest = Beam.ordinal(candidates[0])
        let second = Beam.ordinal(candidates[1])
        guard graph.isCopy(nearest, newcomer), graph.isCopy(second, newcomer) else { return }
        let lists = graph.lists(level: level)
        let links = lists(nearest)
        let batch = buffers.batch
        var size = 0
        for index in 0..<lists.capacity {
            let link = grape_load_u32(links + index)
            guard link != GRAPE_NO_ORDINAL, link != newcomer, !points.isDead(link), !contains(link) else { continue }
            batch[size] = link
            size += 1
        }
        exact(batch, size, into: buffers.distances)
        for index in 0..<size { offer(batch[index], distance: buffers.distances[index]) }
        buffers.sort()
    }

    private func contains(_ ordinal: UInt32) -> Bool {
        for index in 0..<count where Beam.ordinal(candidates[index]) == ordinal { return true }
        return false
    }

    /// Goes through the sorted candidates, nearest first, until `max` are chosen.
    func choose(max: Int) {
        let distances = buffers.distances
        var description = grape_query()
        withUnsafeMutablePointer(to: &description) { description in
            let scorer = graph.space.fullScorer(description)
            graph.space.describe(points.vector(0), against: points, in: description)
            for index in 0..<count {
                guard buffers.chosenCount < max else { return }
                let candidate = Beam.ordinal(candidates[index])
                let distance = Beam.distance(candidates[index])
                description.pointee.query = UnsafeRawPointer(points.vector(candidate))
                if isDiverse(distance, scorer: scorer, distances: distances) {
                    chosen[buffers.chosenCount] = candidate
                    buffers.chosenAt[buffers.chosenCount] = UInt32(index)
                    buffers.chosenCount += 1
                }
            }
        }
    }

    /// Compares with the chosen a few at a time: most candidates are refused by the first.
    ///
    /// A copy of the point among the chosen is as near to every candidate as the point is, and must not refuse them
    /// all: an equal distance counts only between candidates that are equally far from the point, as copies of it are.
    @inline(__always)
    private func isDiverse(_ distance: Float, scorer: Scorer, distances: UnsafeMutablePointer<Float>) -> Bool {
        var start = 0
        while start < buffers.chosenCount {
            let size = min(4, buffers.chosenCount - start)
            scorer(buffers.chosen + start, size, into: distances)
            for index in 0..<size {
                if distances[index] < distance { return false }
                guard distances[index] == distance else { continue }
                if Beam.distance(candidates[Int(buffers.chosenAt[start + index])]) == distance { return false }
            }
            start += size
        }
        return true
    }
}

/// The memory of a `NeighbourSelection`; part of a scratch area.
final class SelectionBuffers: @unchecked Sendable {
    static let batchCapacity = 2 * IndexLimits.mMax + 2

    private(set) var candidates: UnsafeMutablePointer<UInt64>
    private var capacity: Int
    var count = 0
    let chosen: UnsafeMutablePointer<UInt32>
    /// Positions of the chosen among the candidates.
    let chosenAt: UnsafeMutablePointer<UInt32>
    var chosenCount = 0
    let batch: UnsafeMutablePointer<UInt32>
    let distances: UnsafeMutablePointer<Float>

    init() {
        capacity = 512
        candidates = .allocate(capacity: capacity)
        chosen = .allocate(capacity: Self.batchCapacity)
        chosenAt = .allocate(capacity: Self.batchCapacity)
        batch = .allocate(capacity: Self.batchCapacity)
        distances = .allocate(capacity: Self.batchCapacity)
    }

    deinit {
        candidates.deallocate()
        chosen.deallocate()
        chosenAt.deallocate()
        batch.deallocate()
        distances.deallocate()
    }

    @inline(__always)
    func append(_ entry: UInt64) {
        if count == capacity { grow() }
        candidates[count] = entry
        count += 1
    }

    func sort() {
        var entries = UnsafeMutableBufferPointer(start: candidates, count: count)
        entries.sort()
    }

    @inline(never)
    private func grow() {
        let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: 2 * capacity)
        larger.update(from: candidates, count: count)
        candidates.deallocate()
        candidates = larger
        capacity *= 2
    }
}
