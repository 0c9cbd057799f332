import GrapeIndex
import GrapeModel
import Testing

/// Searches under filters that columns answer, beside a look at every point.
struct MatchTests {
    private static let count = 8_000
    private static let vectors = [
        32: Fixture.clustered(count, dimension: 32, clusters: 50, seed: 21),
        256: Fixture.clustered(count, dimension: 256, clusters: 50, seed: 21),
    ]

    /// By a hash of the id, so that matching points lie anywhere.
    private static func matches(_ id: Int, share: Int) -> Bool { id &* 2_654_435_761 >> 7 % share == 0 }

    private func makeIndex(
        _ dimension: Int, _ quantization: IndexParameters.Quantization, tail: Int
    ) throws -> (index: CollectionIndex, base: [[Float]]) {
        let base = try #require(Self.vectors[dimension])
        let index = try CollectionIndex(dimension, .cosine, quantization: quantization, efConstruction: 100)
        for (id, vector) in base.enumerated() { try index.put(id, vector) }
        _ = index.moveTail(max: Self.count - tail)
        return (index, base)
    }

    @Test(arguments: IndexParameters.Quantization.allCases, [32, 256])
    func `filters of any width keep recall, and exact searches are exact`(
        quantization: IndexParameters.Quantization, dimension: Int
    ) throws {
        let (index, base) = try makeIndex(dimension, quantization, tail: 1_000)
        for share in [1, 2, 8, 16, 110, 1_000, 100_000] {
            let column = try OrdinalColumn()
            for id in 0..<Self.count {
                try column.set(Ordinal(rawValue: UInt32(id)), to: Self.matches(id, share: share) ? 2 : 1)
            }
            let leaf = OrdinalMatch.Leaf(column: column, passes: [0, 0, 1])
            let match = try #require(
                OrdinalMatch(leaves: [leaf], steps: [.leaf(0), .atLeast(count: 1, of: 1)]))
            let list = MatchList()
            let living = Dictionary(
                uniqueKeysWithValues: base.enumerated().filter { Self.matches($0.offset, share: share) }.map {
                    ($0.offset, $0.element)
                })
            var found = 0
            var wanted = 0
            for query in Fixture.clustered(20, dimension: dimension, clusters: 50, seed: 21) {
                let best = Fixture.best(10, of: living, to: query, metric: .cosine)
                let pin = index.clock.pin()
                for isExact in [true, false] {
                    let hits = index.search(
                        query.span, limit: 10, exact: isExact, pin: pin, matching: match, list: list,
                        mark: index.journalMark)
                    let ids = hits.map { Fixture.id(index.key(of: $0.ordinal)) }
                    #expect(ids.allSatisfy { Self.matches($0, share: share) } && Set(ids).count == ids.count)
                    #expect(ids.count == best.count)
                    if isExact { #expect(ids == best) } else { found += Set(best).intersection(ids).count }
                }
                wanted += best.count
            }
            #expect(Double(found) >= 0.95 * Double(wanted), "one in \(share): \(found) of \(wanted)")
        }
    }

    @Test
    func `every plan finds the same`() throws {
        let (index, base) = try makeIndex(256, .binary, tail: 500)
        let column = try OrdinalColumn()
        for ordinal in 0..<UInt32(Self.count) {
            try column.set(Ordinal(rawValue: ordinal), to: Self.matches(Int(ordinal), share: 6) ? 2 : 1)
        }
        let match = try #require(
            OrdinalMatch(leaves: [.init(column: column, passes: [0, 0, 1])], steps: [.leaf(0)]))
        let pin = index.clock.pin()
        let list = MatchList()
        var found: [MatchPlan: Int] = [:]
        for query in Fixture.clustered(50, dimension: 256, clusters: 50, seed: 21) {
            let living = Dictionary(
                uniqueKeysWithValues: base.enumerated().filter { Self.matches($0.offset, share: 6) }.map {
                    ($0.offset, $0.element)
                })
            let best = Set(Fixture.best(10, of: living, to: query, metric: .cosine))
            for plan in [MatchPlan.walk, .walkThrough, .score] {
                let hits = index.search(
                    query.span, limit: 10, pin: pin, matching: match, list: list, mark: index.journalMark, plan: plan)
                let ids = hits.map { Fixture.id(index.key(of: $0.ordinal)) }
                found[plan, default: 0] += best.intersection(ids).count
            }
        }
        for plan in [MatchPlan.walk, .walkThrough, .score] {
            #expect(found[plan, default: 0] >= 480, "\(plan): \(found[plan, default: 0]) of 500")
        }
    }

    @Test
    func `steps over a stack say what the filter says`() throws {
        var generator = SplitMix64(seed: 9)
        let clock = VisibilityClock()
        let index = try CollectionIndex(4, clock: clock)
        for id in 0..<64 { try index.put(id, [1, 2, 3, Float(id)]) }
        let columns = try (0..<3).map { _ in try OrdinalColumn() }
        for ordinal in 0..<UInt32(64) {
            for (place, column) in columns.enumerated() {
                try column.set(Ordinal(rawValue: ordinal), to: 1 + ordinal >> UInt32(2 * place) & 3)
            }
        }
        let query: [Float] = [1, 0, 0, 0]
        let leaves = columns.map { OrdinalMatch.Leaf(column: $0, passes: [0, 0, 1, 0, 1]) }
        for _ in 0..<200 {
            let tree = Tree.random(&generator, depth: 4)
            let match = try #require(OrdinalMatch(leaves: leaves, steps: tree.steps))
            let hits = index.search(
                query.span, limit: 64, exact: true, pin: clock.pin(), matching: match, list: MatchList(),
                mark: index.journalMark)
            let wanted = (0..<UInt32(64)).filter { ordinal in tree.holds { ordinal >> UInt32(2 * $0) & 1 == 1 } }
            #expect(Set(hits.map(\.ordinal.rawValue)) == Set(wanted), "\(tree)")
        }
        #expect(OrdinalMatch(leaves: leaves, steps: [.leaf(3)]) == nil)
        #expect(OrdinalMatch(leaves: leaves, steps: [.leaf(0), .leaf(1)]) == nil)
        #expect(OrdinalMatch(leaves: leaves, steps: [.leaf(0), .atLeast(count: 1, of: 2)]) == nil)
        #expect(OrdinalMatch(leaves: leaves, steps: Array(repeating: .leaf(0), count: 65)) == nil)
    }
}

private indirect enum Tree {
    case leaf(Int)
    case not(Tree)
    case atLeast(Int, [Tree])

    static func random(_ generator: inout SplitMix64, depth: Int) -> Tree {
        switch depth == 0 ? 0 : Int.random(in: 0..<4, using: &generator) {
        case 0: return .leaf(Int.random(in: 0..<3, using: &generator))
        case 1: return .not(random(&generator, depth: depth - 1))
        default:
            let count = Int.random(in: 0...4, using: &generator)
            let parts = (0..<count).map { _ in random(&generator, depth: depth - 1) }
            return .atLeast(Int.random(in: 0...4, using: &generator), parts)
        }
    }

    var steps: [OrdinalMatch.Step] {
        switch self {
        case .leaf(let leaf): [.leaf(leaf)]
        case .not(let tree): tree.steps + [.not]
        case .atLeast(let count, let trees): trees.flatMap(\.steps) + [.atLeast(count: count, of: trees.count)]
        }
    }

    func holds(_ leaf: (Int) -> Bool) -> Bool {
        switch self {
        case .leaf(let place): leaf(place)
        case .not(let tree): !tree.holds(leaf)
        case .atLeast(let count, let trees): trees.count { $0.holds(leaf) } >= count
        }
    }
}
