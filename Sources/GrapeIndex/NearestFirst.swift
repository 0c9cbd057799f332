/// Takes entries in order, best first, without sorting those that are never asked for: a binary heap built in place.
package struct NearestFirst {
    private var entries: [UInt64]

    package init(_ entries: inout [UInt64]) {
        self.entries = entries
        entries = []
        for parent in stride(from: self.entries.count / 2 - 1, through: 0, by: -1) { siftDown(parent) }
    }

    package mutating func next() -> UInt64? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            siftDown(0)
        }
        return first
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < entries.count else { return }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(parent, child)
            parent = child
        }
    }
}
