import CVectorKernels

extension CollectionIndex {
    /// Checks what must hold between calls, and says where it does not. Nothing else may run meanwhile.
    ///
    /// 1. Links lead to other points of the graph, each once, and to none that lacks the level.
    /// 2. In-degrees are the numbers of links on level 0; every point but the entry is linked to.
    /// 3. The entry is in the graph, and no point is higher.
    /// 4. The live points are those that their keys lead to.
    /// 5. Every ordinal is in one place, and the counts agree.
    package func checkInvariants() -> [String] {
        let check = InvariantCheck(index: self)
        check.links()
        check.inDegrees()
        check.entry()
        check.keys()
        check.places()
        return check.violations
    }

    /// Points of the graph that no path on level 0 leads to from the entry.
    package var unreachableCount: Int {
        guard let entry = graph.entry else { return 0 }
        var reached: Set<UInt32> = [entry.ordinal]
        var open = [entry.ordinal]
        while let ordinal = open.popLast() {
            for link in links(ordinal, level: 0) where reached.insert(link).inserted { open.append(link) }
        }
        return graph.count - reached.count
    }

    fileprivate func links(_ ordinal: UInt32, level: Int) -> [UInt32] {
        let lists = graph.lists(level: level)
        return (0..<lists.capacity).map { lists(ordinal)[$0] }.filter { $0 != GRAPE_NO_ORDINAL }
    }
}

private final class InvariantCheck {
    private let index: CollectionIndex
    private let points: PointArena.View
    private let linked: [UInt32]
    private var counted: [UInt32]
    private(set) var violations: [String] = []

    init(index: CollectionIndex) {
        self.index = index
        let points = index.arena.view
        self.points = points
        linked = (0..<UInt32(index.arena.highWater)).filter {
            points.location($0) == .graph || points.location($0) == .doomed
        }
        counted = Array(repeating: 0, count: index.arena.highWater)
    }

    private func require(_ holds: Bool, _ message: @autoclosure () -> String) {
        if !holds, violations.count < 20 { violations.append(message()) }
    }

    func links() {  // 1
        for ordinal in linked {
            for level in 0...points.level(ordinal) {
                var seen: Set<UInt32> = []
                for link in index.links(ordinal, level: level) {
                    require(seen.insert(link).inserted, "point \(ordinal) links to \(link) twice")
                    require(link != ordinal, "point \(ordinal) links to itself")
                    guard link < UInt32(index.arena.highWater) else {
                        require(false, "point \(ordinal) links to \(link), which is nothing")
                        continue
                    }
                    let location = points.location(link)
                    require(location == .graph || location == .doomed, "\(ordinal) links to \(link) in \(location)")
                    require(points.level(link) >= level, "\(ordinal) links to \(link) on level \(level)")
                    if level == 0 { counted[Int(link)] += 1 }
                }
            }
        }
    }

    func inDegrees() {  // 2
        for ordinal in linked {
            let stored = grape_load_u32(points.inDegree(ordinal))
            let found = counted[Int(ordinal)]
            require(stored == found, "point \(ordinal) counts \(stored) links to it, \(found) found")
            let isEntry = index.graph.entry?.ordinal == ordinal
            require(found > 0 || isEntry || points.isDead(ordinal), "nothing links to point \(ordinal)")
        }
    }

    func entry() {  // 3
        require(index.graph.count == linked.count, "graph counts \(index.graph.count), \(linked.count) found")
        guard let entry = index.graph.entry else {
            require(linked.isEmpty, "no entry to a graph of \(linked.count) points")
            return
        }
        require(linked.contains(entry.ordinal), "entry \(entry.ordinal) is not in the graph")
        let highest = linked.map { points.level($0) }.max() ?? 0
        require(entry.level == highest, "entry on level \(entry.level), highest point on \(highest)")
    }

    func keys() {  // 4
        var live = 0
        for ordinal in 0..<UInt32(index.arena.highWater) {
            let location = points.location(ordinal)
            guard location == .tail || location == .graph, points.birth(ordinal) != 0, !points.isDead(ordinal)
            else { continue }
            live += 1
            let key = Array(index.keys.bytes(of: ordinal))
            require(index.keys.find(key.span) == ordinal, "the key of live point \(ordinal) leads elsewhere")
        }
        require(index.keys.count == live && index.live == live, "\(live) live, \(index.keys.count) keys, \(index.live)")
    }

    func places() {  // 5
        let free = index.arena.freeOrdinals
        require(Set(free).count == free.count, "an ordinal is free twice")
        for ordinal in free { require(points.location(ordinal) == .free, "free \(ordinal) is in use") }
        let tail = (0..<UInt32(index.arena.highWater)).count {
            points.location($0) == .tail || points.location($0) == .claimed
        }
        require(index.tail.count == tail, "tail counts \(index.tail.count) points, \(tail) found")
    }
}
