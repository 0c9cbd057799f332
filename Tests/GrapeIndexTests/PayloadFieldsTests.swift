import GrapeIndex
import GrapeModel
import Testing

/// Filters that columns answer, beside the filter asked of every payload.
struct PayloadFieldsTests {
    /// An index, its fields, and what is in them.
    private final class World {
        let index: CollectionIndex
        let fields: PayloadFields
        var points: [Int: (vector: [Float], payload: [UInt8])] = [:]
        /// By ordinal: the row of the newest version only.
        var rows: [Int: (version: UInt64, payload: [UInt8])] = [:]
        private var version: UInt64 = 0
        private var scratch = JSONDocument()

        init() throws {
            index = try CollectionIndex(8, efConstruction: 40)
            fields = PayloadFields(index: index)
        }

        /// `isFromRow`: whoever puts the point doesn't know its payload.
        func put(_ id: Int, _ vector: [Float], _ payload: String, isFromRow: Bool = false) throws {
            version += 1
            let bytes = Array(payload.utf8)
            rows[id] = (version, bytes)
            points[id] = (vector, bytes)
            let ordinal = try index.stage(
                key: Fixture.key(id).span, version: version, shard: UInt16(id % 4), vector: vector.span)
            fields.note(ordinal, payload: isFromRow ? nil : bytes, scratch: &scratch)
            index.clock.publish { index.birth(ordinal, at: $0) }
        }

        func drop(_ id: Int) {
            points[id] = nil
            rows[id] = nil
            index.drop(id)
        }

        func fill(max: Int = 300) -> Bool {
            fields.fill(max: max) { ordinals in
                ordinals.map { ordinal in
                    guard let row = rows[Fixture.id(index.key(of: ordinal))],
                        row.version == index.version(of: ordinal)
                    else { return nil }
                    return row.payload
                }
            }
        }

        /// Ids by an exact search; nil where rows would have to be asked.
        func find(_ query: [Float], _ filter: Filter, shards: ShardSet? = nil, exact: Bool = true) -> [Int]? {
            let pin = index.clock.pin()
            guard var compiled = fields.compile(filter, pin: pin) else { return nil }
            compiled.match.shards = shards
            let hits = index.search(
                query.span, limit: 10, exact: exact, pin: pin, matching: compiled.match, list: compiled.list,
                mark: compiled.mark)
            return withExtendedLifetime(pin) { hits.map { Fixture.id(index.key(of: $0.ordinal)) } }
        }

        func matching(_ filter: Filter, shards: ShardSet? = nil) throws -> [Int: [Float]] {
            var scratch = JSONDocument()
            return try points.filter { id, point in
                guard shards?.contains(ShardID(UInt16(id % 4))) ?? true else { return false }
                return try filter.matches(payload: point.payload, id: .integer(UInt64(id)), scratch: &scratch)
            }.mapValues(\.vector)
        }
    }

    private static let filters = [
        #"{"must":[{"key":"city","match":{"value":"Bern"}}]}"#,
        #"{"must":[{"key":"city","match":{"any":["Bern","Oslo"]}},{"key":"n","range":{"gte":3,"lt":7}}]}"#,
        #"{"should":[{"key":"tags","match":{"value":"a"}},{"key":"n","match":{"value":1}}]}"#,
        #"{"must_not":[{"key":"city","match":{"value":"Bern"}}],"must":[{"is_empty":{"key":"tags"}}]}"#,
        #"{"must_not":[{"is_null":{"key":"city"}},{"must":[{"key":"n","match":{"value":2}}]}]}"#,
        #"{"min_should":{"conditions":[{"key":"n","range":{"gt":4}},{"key":"tags[]","match":{"value":"b"}},{"key":"deep.x","match":{"value":true}}],"min_count":2}}"#,
        #"{"must":[{"nested":{"key":"list","filter":{"must":[{"key":"k","match":{"value":1}},{"key":"v","range":{"gt":0.5}}]}}}]}"#,
        #"{"must":[{"key":"tags","values_count":{"gte":2}}]}"#,
        "{}",
    ]

    private func payload(_ generator: inout SplitMix64) -> String {
        var parts: [String] = []
        let cities = ["\"Bern\"", "\"Oslo\"", "\"Zü\\\"rich\"", "null"]
        if Bool.random(using: &generator) { parts.append("\"city\":\(cities.randomElement(using: &generator) ?? "")") }
        parts.append("\"n\":\(Int.random(in: 0..<9, using: &generator))")
        if Bool.random(using: &generator) {
            let tags = (0..<Int.random(in: 0..<3, using: &generator)).map { _ in
                ["\"a\"", "\"b\"", "\"c\""].randomElement(using: &generator) ?? ""
            }
            parts.append("\"tags\":[\(tags.joined(separator: ","))]")
        }
        if Bool.random(using: &generator) { parts.append("\"deep\":{\"x\":\(Bool.random(using: &generator))}") }
        if Bool.random(using: &generator) {
            let k = Int.random(in: 0..<3, using: &generator)
            parts.append("\"list\":[{\"k\":\(k),\"v\":0.25},{\"k\":1,\"v\":\(Float(k) / 2)}]")
        }
        return "{\(parts.joined(separator: ","))}"
    }

    @Test(arguments: 1...6)
    func `columns say what the payloads say, through puts, updates, deletes and sweeps`(seed: Int) throws {
        var generator = SplitMix64(seed: UInt64(seed))
        let world = try World()
        let filters = try Self.filters.map { try Filter(json: $0) }
        for id in 0..<600 { try world.put(id, Fixture.vector(8, scale: 1, &generator), payload(&generator)) }
        var answered = 0
        for round in 0..<120 {
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                let id = Int.random(in: 0..<1_400, using: &generator)
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    world.drop(id)
                } else {
                    try world.put(
                        id, Fixture.vector(8, scale: 1, &generator), payload(&generator),
                        isFromRow: round % 20 == 7)
                }
            }
            if Bool.random(using: &generator) { _ = world.index.moveTail(max: 200) }
            if round % 9 == 0 { for _ in 0..<4 { world.index.sweep(thorough: true) } }
            for _ in 0..<Int.random(in: 0...3, using: &generator) { _ = world.fill() }
            guard let filter = filters.randomElement(using: &generator) else { continue }
            let query = Fixture.vector(8, scale: 1, &generator)
            let shards = Bool.random(using: &generator) ? ShardSet([ShardID(1), ShardID(2)]) : nil
            guard let found = world.find(query, filter, shards: shards) else { continue }
            answered += 1
            let best = Fixture.best(10, of: try world.matching(filter, shards: shards), to: query, metric: .cosine)
            #expect(found == best, "round \(round)")
            let walked = world.find(query, filter, shards: shards, exact: false) ?? []
            #expect(Set(walked).count == best.count && walked.allSatisfy { world.points[$0] != nil })
        }
        #expect(answered > 40)
        #expect(world.index.checkInvariants().isEmpty)
    }

    @Test
    func `a point staged before its field was listed, and born after, is not missed`() throws {
        let world = try World()
        let filter = try Filter(json: Self.filters[0])
        let staged = try world.index.stage(
            key: Fixture.key(7).span, version: 1, shard: 0, vector: [1, 0, 0, 0, 0, 0, 0, 0].span)
        world.rows[7] = (1, Array(#"{"city":"Bern"}"#.utf8))
        #expect(world.find([1, 0, 0, 0, 0, 0, 0, 0], filter) == nil)
        for _ in 0..<5 { _ = world.fill() }
        #expect(world.find([1, 0, 0, 0, 0, 0, 0, 0], filter) == nil, "complete without the staged point")
        world.index.clock.publish { world.index.birth(staged, at: $0) }
        for _ in 0..<5 { _ = world.fill() }
        #expect(world.find([1, 0, 0, 0, 0, 0, 0, 0], filter) == [7])
    }

    @Test
    func `fields with too many values, and ids, are left to the rows`() throws {
        let world = try World()
        let filter = try Filter(json: #"{"must":[{"key":"text","match":{"value":"1"}}]}"#)
        let text = String(repeating: "x", count: 1 << 20)
        for id in 0..<20 { try world.put(id, [1, 0, 0, 0, 0, 0, 0, Float(id)], #"{"text":"\#(id)\#(text)"}"#) }
        #expect(world.find([1, 0, 0, 0, 0, 0, 0, 0], filter) == nil)
        for _ in 0..<5 { _ = world.fill() }
        #expect(!world.fields.isIncomplete)
        #expect(world.find([1, 0, 0, 0, 0, 0, 0, 0], filter) == nil)
        let ids = try Filter(json: #"{"must":[{"has_id":[1,2]}]}"#)
        #expect(world.find([1, 0, 0, 0, 0, 0, 0, 0], ids) == nil && !world.fields.isIncomplete)
    }
}

extension Filter {
    fileprivate init(json: String) throws {
        try self.init(JSONDocument(parsing: Array(json.utf8)).root)
    }
}
