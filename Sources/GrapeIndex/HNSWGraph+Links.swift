// HOT PATH
import CVectorKernels

extension HNSWGraph {
    /// Adds a link to a new point, cutting the list by the heuristic if it is full.
    func addLink(from neighbour: UInt32, to newcomer: UInt32, level: Int, scratch: SearchScratch) {
        let points = arena.view
        let lists = lists(level: level)
        let list = lists(neighbour)
        points.markDirty(neighbour)
        points.lock(neighbour)
        defer { points.unlock(neighbour) }
        var room: Int?
        for slot in (0..<lists.capacity).reversed() {
            let link = grape_load_u32(list + slot)
            if link == newcomer { return }
            if link == GRAPE_NO_ORDINAL { room = slot }
        }
        if let room {
            place(newcomer, in: list + room, level: level)
        } else {
            cut(list, lists.capacity, of: neighbour, adding: newcomer, level: level, scratch: scratch)
        }
    }

    /// Stores a link, counted before it can be seen.
    @inline(__always)
    func place(_ ordinal: UInt32, in slot: UnsafeMutablePointer<UInt32>, level: Int) {
        if level == 0 { _ = grape_add_u32(arena.view.inDegree(ordinal), 1) }
        grape_publish_u32(slot, ordinal)
    }

    @inline(__always)
    func isLinked(_ list: UnsafeMutablePointer<UInt32>, _ capacity: Int, to ordinal: UInt32) -> Bool {
        for slot in 0..<capacity where grape_load_u32(list + slot) == ordinal { return true }
        return false
    }

    /// Chooses anew among the links of a full list and the newcomer. Links that stay keep their slots. Under the lock
    /// of `owner`.
    private func cut(
        _ list: UnsafeMutablePointer<UInt32>, _ capacity: Int, of owner: UInt32, adding newcomer: UInt32, level: Int,
        scratch: SearchScratch
    ) {
        let points = arena.view
        let selection = NeighbourSelection(graph: self, scratch: scratch)
        let distances = scratch.distances
        let batch = scratch.batch
        for slot in 0..<capacity { batch[slot] = grape_load_u32(list + slot) }
        batch[capacity] = newcomer
        var description = grape_query()
        withUnsafeMutablePointer(to: &description) { description in
            space.describe(points.vector(owner), against: points, in: description)
            space.fullScorer(description)(batch, capacity + 1, into: distances)
        }
        selection.begin()
        for index in 0...capacity { selection.offer(batch[index], distance: distances[index]) }
        scratch.selection.sort()
        selection.choose(max: capacity)
        replace(list, capacity, by: selection, newcomer: newcomer, level: level)
    }

    private func replace(
        _ list: UnsafeMutablePointer<UInt32>, _ capacity: Int, by selection: NeighbourSelection, newcomer: UInt32,
        level: Int
    ) {
        var room: Int?
        var isNewcomerChosen = false
        for index in 0..<selection.chosenCount where selection.chosen[index] == newcomer { isNewcomerChosen = true }
        var kept = 0
        for slot in 0..<capacity {
            let link = grape_load_u32(list + slot)
            var isChosen = false
            for index in 0..<selection.chosenCount where selection.chosen[index] == link {
                isChosen = true
                break
            }
            if isChosen || !drop(link, level: level) {
                kept += 1
                continue
            }
            grape_publish_u32(list + slot, GRAPE_NO_ORDINAL)
            if room == nil { room = slot }
        }
        if isNewcomerChosen, let room { place(newcomer, in: list + room, level: level) }
        precondition(kept <= capacity, "more links kept than there are slots")
    }

    /// Counts a link to a point out; false if it is the last one on level 0, which must stay.
    @inline(__always)
    private func drop(_ ordinal: UInt32, level: Int) -> Bool {
        guard level == 0 else { return true }
        let inDegree = arena.view.inDegree(ordinal)
        if grape_subtract_u32(inDegree, 1) > 1 { return true }
        _ = grape_add_u32(inDegree, 1)
        return false
    }

    /// Links to a point on level 0 from an empty slot or, if `replacing`, at the cost of a link that its target can
    /// spare; false if there is neither.
    func forceLink(from neighbour: UInt32, to newcomer: UInt32, replacing: Bool) -> Bool {
        let points = arena.view
        let list = points.links(neighbour)
        points.lock(neighbour)
        defer { points.unlock(neighbour) }
        for slot in (0..<arena.layout.linkCapacity).reversed() {
            let link = grape_load_u32(list + slot)
            if link == newcomer { return true }
            guard link == GRAPE_NO_ORDINAL || (replacing && drop(link, level: 0)) else { continue }
            points.markDirty(neighbour)
            place(newcomer, in: list + slot, level: 0)
            return true
        }
        return false
    }
}
