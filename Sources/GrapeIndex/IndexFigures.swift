/// How many points are where.
package struct IndexCounts: Hashable, Sendable {
    /// Points that a search pinned now can find.
    package let live: Int
    /// Points linked into the graph, dead ones included until they are swept.
    package let inGraph: Int
    /// Points that searches find by scanning.
    package let tail: Int
    /// Dead points whose ordinals are not free yet.
    package let dead: Int

    package init(live: Int, inGraph: Int, tail: Int, dead: Int) {
        self.live = live
        self.inGraph = inGraph
        self.tail = tail
        self.dead = dead
    }
}

/// Memory in use, in bytes.
package struct IndexMemory: Hashable, Sendable {
    package let vectorsBytes: Int
    package let codesBytes: Int
    package let linksBytes: Int
    /// Records, keys, their table, the tail.
    package let otherBytes: Int

    package var totalBytes: Int { vectorsBytes + codesBytes + linksBytes + otherBytes }
}
