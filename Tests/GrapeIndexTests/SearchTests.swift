import GrapeIndex
import GrapeModel
import Testing

struct SearchTests {
    @Test(arguments: DistanceMetric.allCases, [1, 2, 5, 33])
    func `exact search finds what a look at all points finds`(metric: DistanceMetric, dimension: Int) throws {
        var generator = SplitMix64(seed: UInt64(dimension))
        let index = try CollectionIndex(dimension, metric)
        var vectors: [Int: [Float]] = [:]
        for id in 0..<300 {
            vectors[id] = Fixture.vector(dimension, scale: 3, &generator)
            try index.put(id, try #require(vectors[id]))
        }
        for _ in 0..<20 {
            let query = Fixture.vector(dimension, scale: 3, &generator)
            let pin = index.clock.pin()
            let hits = index.search(query.span, limit: 10, exact: true, pin: pin)
            let best = Fixture.best(10, of: vectors, to: query, metric: metric)
            for (hit, id) in zip(hits, best) {
                let expected = Fixture.score(metric, try #require(vectors[id]), query)
                #expect(abs(Double(hit.score) - expected) < 1e-4 * max(1, abs(expected)))
                #expect(abs(index.score(query.span, hit.ordinal) - hit.score) < 1e-5)
            }
            #expect(hits.count == 10)
        }
    }

    @Test(arguments: DistanceMetric.allCases, IndexParameters.Quantization.allCases)
    func `a walk finds nearly all of the best`(metric: DistanceMetric, quantization: IndexParameters.Quantization)
        throws
    {
        let index = try CollectionIndex(64, metric, quantization: quantization)
        let base = Fixture.clustered(5_000, dimension: 64, clusters: 60, seed: 7)
        for (id, vector) in base.enumerated() { try index.put(id, vector) }
        index.drainTail(threads: 2)
        #expect(index.checkInvariants() == [])
        #expect(index.counts.inGraph == 5_000 && index.counts.tail == 0)
        let queries = Fixture.clustered(100, dimension: 64, clusters: 60, seed: 7)
        #expect(Self.recall(index, queries) >= 0.95)
        #expect(index.unreachableCount == 0)
    }

    @Test
    func `points in the tail and in the graph are found alike`() throws {
        let index = try CollectionIndex(16, .euclidean)
        let base = Fixture.clustered(3_000, dimension: 16, clusters: 20, seed: 2)
        for (id, vector) in base.enumerated() { try index.put(id, vector) }
        _ = index.moveTail(max: 1_500)
        #expect(index.counts.inGraph == 1_500 && index.counts.tail == 1_500)
        var misses = 0
        for id in stride(from: 0, to: 3_000, by: 7) {
            let found = index.find(base[id], limit: 5)
            #expect(Set(found).count == 5)
            if found.first != id { misses += 1 }
        }
        #expect(misses <= 1)
    }

    @Test
    func `there is no graph below a thousand points`() throws {
        let index = try CollectionIndex(4)
        var generator = SplitMix64(seed: 1)
        for id in 0..<999 { try index.put(id, Fixture.vector(4, scale: 1, &generator)) }
        #expect(index.moveTail(max: .max) == 0)
        #expect(index.find([1, 0, 0, 0], limit: 2_000).count == 999)
        try index.put(999, [1, 0, 0, 0])
        #expect(index.moveTail(max: .max) == 1_000)
        #expect(index.find([1, 0, 0, 0], limit: 1) == [999])
    }

    @Test
    func `a limit above the number of points returns all of them, each once`() throws {
        let index = try CollectionIndex(8)
        let base = Fixture.clustered(1_500, dimension: 8, clusters: 5, seed: 3)
        for (id, vector) in base.enumerated() { try index.put(id, vector) }
        index.drainTail(threads: 1)
        for limit in [1_500, 1_501, 100_000] {
            let found = index.find(base[0], limit: limit)
            #expect(found.count == 1_500 && Set(found).count == 1_500)
        }
        #expect(index.find(base[0], limit: 0).isEmpty)
    }

    @Test
    func `an empty index and one of a single point answer`() throws {
        let index = try CollectionIndex(3, .euclidean)
        #expect(index.find([1, 2, 3], limit: 10).isEmpty)
        #expect(index.find([1, 2, 3], limit: 10, exact: true).isEmpty)
        try index.put(42, [0, 0, 0])
        #expect(index.find([1, 2, 3], limit: 10) == [42])
        let pin = index.clock.pin()
        let hit = try #require(index.search([3, 4, 0].span, limit: 1, pin: pin).first)
        #expect(hit.score == 5)
    }

    @Test
    func `ten thousand copies of one vector stay findable among others`() throws {
        let index = try CollectionIndex(16, .euclidean, efConstruction: 100)
        let others = Fixture.clustered(2_000, dimension: 16, clusters: 10, seed: 5)
        let copy = [Float](repeating: 0.5, count: 16)
        for id in 0..<12_000 { try index.put(id, id % 6 == 0 ? others[id / 6] : copy) }
        index.drainTail(threads: 2)
        #expect(index.checkInvariants() == [])
        #expect(index.unreachableCount <= 24)
        let found = index.find(copy, limit: 200, ef: 200)
        #expect(found.count == 200 && found.allSatisfy { $0 % 6 != 0 })
        var misses = 0
        for id in stride(from: 0, to: 2_000, by: 10) where index.find(others[id], limit: 1) != [id * 6] { misses += 1 }
        #expect(misses <= 4)
        // All but one of the copies go: the last is found.
        for id in 0..<11_999 where id % 6 != 0 { index.drop(id) }
        _ = index.sweep(thorough: true)
        #expect(index.checkInvariants() == [])
        #expect(index.find(copy, limit: 1) == [11_999])
    }

    @Test(arguments: DistanceMetric.allCases, IndexParameters.Quantization.allCases)
    func `zero and huge vectors break nothing`(metric: DistanceMetric, quantization: IndexParameters.Quantization)
        throws
    {
        let index = try CollectionIndex(20, metric, quantization: quantization, efConstruction: 50)
        var generator = SplitMix64(seed: 11)
        for id in 0..<1_500 {
            let scale: Float = [0, .leastNonzeroMagnitude, 1, 1e18, 1e30, .greatestFiniteMagnitude][id % 6]
            try index.put(id, Fixture.vector(20, scale: scale, &generator))
        }
        index.drainTail(threads: 2)
        #expect(index.checkInvariants() == [])
        for scale: Float in [.leastNonzeroMagnitude * 1_000, 1, 1e20, 3e38] {
            let query = Fixture.vector(20, scale: scale, &generator)
            let pin = index.clock.pin()
            for exact in [true, false] {
                let hits = index.search(query.span, limit: 20, exact: exact, pin: pin)
                #expect(hits.count == 20 && hits.allSatisfy { $0.score.isFinite })
                #expect(Set(hits.map(\.ordinal)).count == 20)
                let scores = hits.map(\.score)
                #expect(scores == (metric.higherIsBetter ? scores.sorted(by: >) : scores.sorted()))
            }
        }
    }

    @Test
    func `ranking known candidates leaves out those the pin does not see`() throws {
        let index = try CollectionIndex(2, .manhattan)
        let ordinals = try (0..<10).map { try index.put($0, [Float($0), 0]) }
        index.drop(3)
        let pin = index.clock.pin()
        let hits = index.rank([3, 0].span, among: ordinals.span, limit: 3, pin: pin)
        #expect(hits.map(\.score) == [1, 1, 2])
        #expect(!hits.map(\.ordinal).contains(ordinals[3]))
        #expect(index.score([1, 1].span, vector: [4, 5].span) == 7)
    }

    static func recall(_ index: CollectionIndex, _ queries: [[Float]], ef: Int = 100) -> Double {
        var found = 0
        for query in queries {
            found +=
                Set(index.find(query, limit: 10, ef: ef)).intersection(index.find(query, limit: 10, exact: true)).count
        }
        return Double(found) / Double(10 * queries.count)
    }
}
