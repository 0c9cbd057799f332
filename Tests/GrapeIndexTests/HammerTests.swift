import GrapeIndex
import GrapeModel
import Synchronization
import Testing

/// Writers, index threads, sweeps, checkpoints and searches at once.
struct HammerTests {
    /// What was published when, by key: the truth that searches are held against.
    private final class History: Sendable {
        private let changes = Mutex<[Int: [(stamp: UInt64, version: UInt64?)]]>([:])

        func note(_ id: Int, version: UInt64?, at stamp: Stamp) {
            changes.withLock { $0[id, default: []].append((stamp.rawValue, version)) }
        }

        func version(of id: Int, at stamp: Stamp) -> UInt64? {
            changes.withLock { $0[id]?.last { $0.stamp <= stamp.rawValue }?.version }
        }
    }

    private static let ids = 2_500
    private static let dimension = 12

    /// A vector that only this version of this point has; versions of a point lie side by side.
    private static func vector(_ id: Int, _ version: UInt64) -> [Float] {
        var place = SplitMix64(seed: UInt64(id))
        var step = SplitMix64(seed: UInt64(id) << 32 | version)
        return (0..<dimension).map { _ in
            Float.random(in: -1...1, using: &place) + Float.random(in: -0.02...0.02, using: &step)
        }
    }

    @Test(arguments: IndexParameters.Quantization.allCases)
    func `no search misses, doubles or shows an old point`(quantization: IndexParameters.Quantization) throws {
        let index = try CollectionIndex(
            Self.dimension, .euclidean, quantization: quantization, efConstruction: 60)
        let history = History()
        let failures = Mutex<[String]>([])
        let tallies = Mutex((searches: 0, misses: 0))
        let isDone = Atomic<Bool>(false)
        let report: @Sendable (String) -> Void = { message in
            failures.withLock { if $0.count < 10 { $0.append(message) } }
        }

        let write: @Sendable () -> Void = {
            var generator = SplitMix64(seed: 77)
            for batch in 1...20_000 {
                Self.writeBatch(index, history, version: UInt64(batch), &generator, report)
                if batch >= 1_000, tallies.withLock({ $0.searches }) >= 3_000 { break }
            }
            isDone.store(true, ordering: .sequentiallyConsistent)
        }
        let maintain: @Sendable () -> Void = {
            while !isDone.load(ordering: .sequentiallyConsistent) {
                _ = index.moveTail(max: 32)
                index.sweep()
                index.checkpoint { _, bytes in if bytes.count == 1 { report("a chunk of one byte") } }
            }
        }
        let move: @Sendable () -> Void = {
            while !isDone.load(ordering: .sequentiallyConsistent) { _ = index.moveTail(max: 16) }
        }
        let search: @Sendable () -> Void = {
            var generator = SplitMix64(seed: 99)
            while !isDone.load(ordering: .sequentiallyConsistent) {
                let missed = Self.searchOnce(index, history, &generator, report)
                tallies.withLock {
                    $0.searches += 1
                    $0.misses += missed ? 1 : 0
                }
            }
        }
        Fixture.inParallel([write, maintain, move, search, search])

        let found = failures.withLock { $0 }
        #expect(found == [])
        let (searches, misses) = tallies.withLock { $0 }
        // A walk may miss what its recall misses; an exact search may not (checked in `searchOnce`).
        #expect(searches >= 300 && misses * 200 <= max(searches, 1_000), "\(misses) of \(searches) walks missed")
        index.drainTail(threads: 1)
        for _ in 0..<3 { index.sweep(thorough: true) }
        #expect(index.checkInvariants() == [])
        #expect(index.counts.dead == 0)
    }

    private static func writeBatch(
        _ index: CollectionIndex, _ history: History, version: UInt64, _ generator: inout SplitMix64,
        _ report: (String) -> Void
    ) {
        // The first batches fill the collection; later ones change it.
        let ids =
            version <= 25
            ? Array(Int(version - 1) * 100..<Int(version) * 100)
            : Array(Set((0..<8).map { _ in Int.random(in: 0..<Self.ids, using: &generator) }))
        let isDeleted = ids.map { _ in version > 25 && Int.random(in: 0..<5, using: &generator) == 0 }
        var staged: [Ordinal?] = []
        for (id, isDeleted) in zip(ids, isDeleted) {
            let vector = vector(id, version)
            staged.append(
                isDeleted
                    ? nil : try? index.stage(key: Fixture.key(id).span, version: version, shard: 0, vector: vector.span)
            )
        }
        index.clock.publish { stamp in
            for (position, id) in ids.enumerated() {
                if let ordinal = staged[position] {
                    index.birth(ordinal, at: stamp)
                    history.note(id, version: version, at: stamp)
                } else {
                    _ = index.kill(key: Fixture.key(id).span, at: stamp)
                    history.note(id, version: nil, at: stamp)
                }
            }
        }
        for (id, isDeleted) in zip(ids, isDeleted) where index.contains(key: Fixture.key(id).span) == isDeleted {
            report("point \(id) is there or not against the last batch")
        }
    }

    /// Searches for one point by its own vector; true if a walk did not find it.
    private static func searchOnce(
        _ index: CollectionIndex, _ history: History, _ generator: inout SplitMix64, _ report: (String) -> Void
    ) -> Bool {
        let id = Int.random(in: 0..<ids, using: &generator)
        let isExact = Int.random(in: 0..<8, using: &generator) == 0
        let pin = index.clock.pin()
        let wanted = history.version(of: id, at: pin.stamp)
        let hits = index.search(
            vector(id, wanted ?? 1).span, limit: 10, ef: 64, exact: isExact, pin: pin)
        var seen: Set<Int> = []
        for hit in hits {
            let hitID = Fixture.id(index.key(of: hit.ordinal))
            if !seen.insert(hitID).inserted { report("point \(hitID) came twice") }
            let version = history.version(of: hitID, at: pin.stamp)
            if version != hit.version { report("point \(hitID) came as \(hit.version), is \(version ?? 0)") }
        }
        withExtendedLifetime(pin) {}
        guard let wanted, seen.contains(id) == false else { return false }
        if isExact { report("exact search missed point \(id) of version \(wanted)") }
        return true
    }
}
