import GrapeIndex
import GrapeModel
import Testing

struct SweepTests {
    @Test
    func `deleting all and inserting again does not grow memory`() throws {
        let index = try CollectionIndex(8, .euclidean, efConstruction: 40)
        let base = Fixture.clustered(2_000, dimension: 8, clusters: 10, seed: 1)
        var sizes: [Int] = []
        for round in 0..<6 {
            for (id, vector) in base.enumerated() { try index.put(id, vector, version: UInt64(round)) }
            index.drainTail(threads: 2)
            #expect(index.find(base[17], limit: 1) == [17])
            sizes.append(index.memory.totalBytes)
            for id in 0..<2_000 { #expect(index.drop(id)) }
            #expect(index.find(base[17], limit: 1).isEmpty)
            #expect(index.sweep() == 2_000)
            #expect(index.counts == IndexCounts(live: 0, inGraph: 0, tail: 0, dead: 0))
            #expect(index.checkInvariants() == [])
        }
        // Levels are drawn anew each time, so a little differs.
        #expect(sizes.allSatisfy { abs($0 - sizes[0]) * 50 < sizes[0] })
        #expect(index.memory.vectorsBytes == 0)
    }

    @Test
    func `updating every point many times reuses ordinals`() throws {
        let index = try CollectionIndex(8, .euclidean, efConstruction: 40)
        let base = Fixture.clustered(1_500, dimension: 8, clusters: 10, seed: 4)
        var highest: UInt32 = 0
        for round in 0..<8 {
            for (id, vector) in base.enumerated() {
                let ordinal = try index.put(id, vector.map { $0 + Float(round) * 0.01 }, version: UInt64(round))
                highest = max(highest, ordinal.rawValue)
                if id % 100 == 0 {
                    _ = index.moveTail(max: 150)
                    index.sweep()
                }
            }
        }
        #expect(highest < 4_000)
        index.drainTail(threads: 1)
        index.sweep(thorough: true)
        #expect(index.checkInvariants() == [])
        let found = index.find(base[3].map { $0 + 0.07 }, limit: 1_500)
        #expect(found.count == 1_500 && Set(found).count == 1_500)
    }

    @Test
    func `recall holds when most points were deleted and swept`() throws {
        let index = try CollectionIndex(32)
        let base = Fixture.clustered(6_000, dimension: 32, clusters: 40, seed: 8)
        for (id, vector) in base.enumerated() { try index.put(id, vector) }
        index.drainTail(threads: 2)
        for id in 0..<6_000 where id % 4 != 0 { index.drop(id) }
        let queries = Fixture.clustered(60, dimension: 32, clusters: 40, seed: 8)
        // Dead and not swept yet: gone through, not returned.
        #expect(SearchTests.recall(index, queries) >= 0.95)
        #expect(index.sweep() == 4_500)
        #expect(index.checkInvariants() == [])
        #expect(index.unreachableCount == 0)
        #expect(SearchTests.recall(index, queries) >= 0.95)
    }

    @Test
    func `whole regions may die, the entry with them`() throws {
        let index = try CollectionIndex(16, .euclidean, efConstruction: 80)
        var generator = SplitMix64(seed: 5)
        for id in 0..<3_000 {
            let corner = Float(id / 1_000) * 50
            try index.put(id, Fixture.vector(16, scale: 1, &generator).map { $0 + corner })
        }
        index.drainTail(threads: 1)
        for region in 0..<2 {
            for id in region * 1_000..<(region + 1) * 1_000 { index.drop(id) }
            index.sweep(thorough: true)
            #expect(index.checkInvariants() == [])
            let corner = [Float](repeating: 0, count: 16)
            let found = index.find(corner, limit: 20)
            #expect(found.count == 20 && found.allSatisfy { $0 >= (region + 1) * 1_000 })
        }
        #expect(index.unreachableCount == 0)
    }

    @Test
    func `a small collection without graph is swept as well`() throws {
        let index = try CollectionIndex(4, .euclidean)
        for round in 0..<200 {
            for id in 0..<50 { try index.put(id, [Float(id), Float(round), 0, 0]) }
            _ = index.moveTail(max: 100)
            index.sweep()
        }
        #expect(index.counts == IndexCounts(live: 50, inGraph: 0, tail: 50, dead: 0))
        #expect(index.find([3, 199, 0, 0], limit: 1) == [3])
        #expect(index.memory.vectorsBytes == 50 * 64)
        #expect(index.checkInvariants() == [])
    }
}
