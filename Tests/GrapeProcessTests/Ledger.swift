/// What a client knows about the points it alone writes: the last acknowledged version of each, and what the answer to
/// its last request would have told.
struct Ledger: Sendable {
    /// A point as it may be: a version, or not there (nil).
    private struct Knowledge: Sendable {
        var acknowledged: Int?
        /// Outcomes of requests that were not answered; any of them, or none, may have happened.
        var open: [Int?] = []
    }

    private var points: [Int: Knowledge] = [:]
    private var lastVersion = 0

    /// Ids in order, so that a run follows from its seed.
    var ids: [Int] { points.keys.sorted() }

    /// Ids of points that are there for certain, or not there for certain.
    var settled: (present: [Record], absent: [Int]) {
        var present: [Record] = []
        var absent: [Int] = []
        for id in ids {
            guard let known = points[id], known.open.isEmpty else { continue }
            if let version = known.acknowledged {
                present.append(Record(id: id, version: version))
            } else {
                absent.append(id)
            }
        }
        return (present, absent)
    }

    /// A version that no point has had yet.
    mutating func newVersion() -> Int {
        lastVersion += 1
        return lastVersion
    }

    /// A request for these is on its way: from now on they may be there (or gone, for nil).
    mutating func send(_ ids: [Int], version: Int?) {
        for id in ids { points[id, default: Knowledge()].open.append(version) }
    }

    mutating func acknowledge(_ ids: [Int], version: Int?) {
        for id in ids { points[id] = Knowledge(acknowledged: version) }
    }

    /// An answer said that nothing was done and nothing will be.
    mutating func refuse(_ ids: [Int]) {
        for id in ids { _ = points[id]?.open.popLast() }
    }

    /// Compares what a server has with what it may have, and takes it as acknowledged from now on.
    ///
    /// - Throws: if an acknowledged write is lost, or a point is in a state it was never given.
    mutating func settle(_ id: Int, found: Int?) throws {
        guard let known = points[id] else { throw Record.Mismatch("point \(id) was never written") }
        guard found == known.acknowledged || known.open.contains(found) else {
            let name = { (version: Int?) in version.map { "version \($0)" } ?? "absent" }
            throw Record.Mismatch(
                "point \(id): found \(name(found)), acknowledged \(name(known.acknowledged)), "
                    + "on their way \(known.open.map(name))")
        }
        points[id] = Knowledge(acknowledged: found)
    }
}
