import GrapeIndex
import GrapeModel
import Testing

struct FilterTests {
    private static let count = 8_000
    private static let base = Fixture.clustered(count, dimension: 32, clusters: 50, seed: 21)

    private func makeIndex(quantization: IndexParameters.Quantization, tail: Int) throws -> CollectionIndex {
        let index = try CollectionIndex(32, .cosine, quantization: quantization, efConstruction: 100)
        for (id, vector) in Self.base.enumerated() { try index.put(id, vector) }
        _ = index.moveTail(max: Self.count - tail)
        return index
    }

    @Test(arguments: IndexParameters.Quantization.allCases, [0, 2_000])
    func `filters of any width keep recall, asking once a point`(
        quantization: IndexParameters.Quantization, tail: Int
    ) throws {
        let index = try makeIndex(quantization: quantization, tail: tail)
        let queries = Fixture.clustered(40, dimension: 32, clusters: 50, seed: 21)
        for share in [1, 2, 8, 16, 110, 1_000, 100_000] {
            var found = 0
            var wanted = 0
            for query in queries {
                let pin = index.clock.pin()
                // By a hash of the id, so that matching points lie anywhere.
                let matches = { (id: Int) in id &* 2_654_435_761 >> 7 % share == 0 }
                var filter = ClosureFilter { matches(Fixture.id(index.key(of: $0))) }
                let hits = index.search(query.span, limit: 10, pin: pin, filter: &filter)
                #expect(filter.asked.values.allSatisfy { $0 == 1 })
                let ids = hits.map { Fixture.id(index.key(of: $0.ordinal)) }
                #expect(ids.allSatisfy(matches) && Set(ids).count == ids.count)
                let all = Dictionary(
                    uniqueKeysWithValues: Self.base.enumerated().filter { matches($0.offset) }.map {
                        ($0.offset, $0.element)
                    })
                let best = Fixture.best(10, of: all, to: query, metric: .cosine)
                found += Set(best).intersection(ids).count
                wanted += best.count
                #expect(hits.count == best.count)
            }
            #expect(Double(found) >= 0.95 * Double(wanted), "one in \(share): \(found) of \(wanted)")
        }
    }

    @Test
    func `an exact search under a filter is exact and asks little`() throws {
        let index = try makeIndex(quantization: .none, tail: 500)
        let pin = index.clock.pin()
        var filter = ClosureFilter { Fixture.id(index.key(of: $0)) % 3 == 0 }
        let query = Self.base[4]
        let hits = index.search(query.span, limit: 10, exact: true, pin: pin, filter: &filter)
        let all = Dictionary(
            uniqueKeysWithValues: Self.base.enumerated().filter { $0.offset % 3 == 0 }.map { ($0.offset, $0.element) })
        #expect(
            hits.map { Fixture.id(index.key(of: $0.ordinal)) } == Fixture.best(10, of: all, to: query, metric: .cosine))
        #expect(filter.asked.count < 100)
    }

    @Test
    func `a filter that matches nothing finds nothing`() throws {
        let index = try makeIndex(quantization: .none, tail: 0)
        var filter = ClosureFilter { _ in false }
        let pin = index.clock.pin()
        let query = Self.base[0]
        let hits = index.search(query.span, limit: 10, pin: pin, filter: &filter)
        #expect(hits.isEmpty)
        #expect(filter.asked.count == Self.count)
    }
}
