import GrapeModel
import GrapeTestKit
import Testing

/// Random filters and payloads over so few keys and values that about half of them match.
private struct FilterMaker {
    var generator: SplitMix64
    private let keys = ["a", "b", "c", "lon"]
    private let texts = ["", "x", "xy", "é", "2024-05-01", "2024-05-01T12:00:00+02:00", "2024-05-01 10:00:00"]

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    mutating func pick<Value>(_ values: [Value]) -> Value {
        values[Int.random(in: 0..<values.count, using: &generator)]
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

    // MARK: Payloads

    mutating func value(depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 12 : 8), using: &generator) {
        case 0: .null
        case 1: .bool(chance(50))
        case 2, 3: .integer(Int64.random(in: -2...3, using: &generator))
        case 4:
            pick([.double(1), .double(1.5), .integer(.max), .unsigned(1 << 63), .double(9_223_372_036_854_775_808)])
        case 5, 6, 7: .string(pick(texts))
        case 8: ["lon": .double(Double.random(in: -3...3, using: &generator)), "lat": .integer(pick([-1, 0, 1]))]
        case 9: object(depth: depth - 1)
        default: .array((0..<Int.random(in: 0...3, using: &generator)).map { _ in value(depth: depth - 1) })
        }
    }

    mutating func object(depth: Int) -> JSONValue {
        .object(JSONObject(keys.filter { _ in chance(70) }.map { ($0, value(depth: depth)) }))
    }

    // MARK: Filters

    mutating func filter(depth: Int) -> JSONValue {
        if chance(15) { return ["conditions": .array((0..<2).map { _ in short() })] }
        var fields = JSONObject()
        for key in ["must", "should", "must_not"] where chance(40) { fields[key] = conditions(depth: depth) }
        if chance(20) {
            fields["min_should"] = ["conditions": conditions(depth: depth), "min_count": .integer(pick([0, 1, 2]))]
        }
        return .object(fields)
    }

    private mutating func conditions(depth: Int) -> JSONValue {
        if chance(20) { return condition(depth: depth) }
        return .array((0..<Int.random(in: 0...2, using: &generator)).map { _ in condition(depth: depth) })
    }

    private mutating func condition(depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 10 : 7), using: &generator) {
        case 0: ["is_empty": ["key": .string(path())]]
        case 1: ["is_null": ["key": .string(path())]]
        case 2: ["has_id": [.integer(pick([1, 2])), "x"]]
        case 3...6: field()
        case 7, 8: ["nested": ["key": .string(path()), "filter": filter(depth: depth - 1)]]
        default: filter(depth: depth - 1)
        }
    }

    private mutating func path() -> String {
        var path = pick(["a", "b", "\"a\"", "c"])
        while chance(40) { path += pick([".a", ".b", "[]", "[0]", "[1]", ".\"b\"", ".lon"]) }
        return path
    }

    private mutating func field() -> JSONValue {
        var test: (String, JSONValue)
        switch Int.random(in: 0..<8, using: &generator) {
        case 0, 1: test = ("match", match())
        case 2, 3: test = ("range", range())
        case 4:
            test = (
                "values_count", .object(JSONObject([(pick(["gt", "gte", "lt", "lte"]), .integer(pick([0, 1, 2])))]))
            )
        case 5: test = (pick(["is_empty", "is_null"]), .bool(chance(50)))
        case 6: test = ("geo_radius", ["center": ["lon": 0, "lat": 0], "radius": 200_000])
        default:
            test = (
                "geo_bounding_box", ["top_left": ["lon": -1.5, "lat": 1.5], "bottom_right": ["lon": 1, "lat": -0.5]]
            )
        }
        return .object(JSONObject([("key", .string(path())), test]))
    }

    private mutating func match() -> JSONValue {
        switch Int.random(in: 0..<6, using: &generator) {
        case 0, 1: ["value": scalar()]
        case 2: ["any": .array((0..<pick([0, 1, 3, 20])).map { _ in scalar() })]
        case 3: ["except": .array((0..<pick([0, 1, 3, 20])).map { _ in scalar() })]
        case 4: ["text": .string(pick(texts))]
        default: ["text_any": .string("x \(pick(texts))")]
        }
    }

    private mutating func scalar() -> JSONValue {
        while true {
            let value = value(depth: 0)
            if !value.isNull { return value }
        }
    }

    private mutating func range() -> JSONValue {
        let bounds: [JSONValue] =
            chance(70)
            ? [-1, 0, 1, 1.0, 1.5, .integer(.max), .unsigned(1 << 63), 9_223_372_036_854_775_807.0]
            : ["2024-05-01", "2024-05-01T10:00:00Z", "2024-05-01T11:00:00.5Z"]
        return .object(
            JSONObject([(pick(["gt", "gte"]), pick(bounds)), (pick(["gte", "lt", "lte"]), pick(bounds))]))
    }

    private mutating func short() -> JSONValue {
        let name = pick(["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains"])
        let value: JSONValue
        switch name {
        case "in": value = .array((0..<3).map { _ in scalar() })
        case "gt", "gte", "lt", "lte": value = pick([0, 1.5, "2024-05-01"])
        default: value = scalar()
        }
        return ["field": .string(path()), "operator": .string(name), "value": value]
    }
}

@Suite struct FilterTwinTests {
    @Test("Thousands of random filters give the same answers as the naive twin", arguments: 0..<4)
    func twin(seed: UInt64) throws {
        var maker = FilterMaker(seed: seed)
        var scratch = JSONDocument()
        var matched = 0
        for _ in 0..<3_000 {
            let text = maker.filter(depth: 2)
            let filter = try Filter(JSONDocument(parsing: text.encoded()).root)
            for _ in 0..<5 {
                let payload = maker.object(depth: 3)
                let id: PointID = maker.chance(50) ? .integer(1) : .text([0x78])
                let answer = try filter.matches(payload: payload.encoded(), id: id, scratch: &scratch)
                let expected = FilterTwin.matches(filter, payload, id: id)
                #expect(answer == expected, "\(text) on \(payload) with \(id), seed \(seed)")
                if answer { matched += 1 }
            }
        }
        #expect((3_000...12_000).contains(matched))
    }

    @Test("A filter that another node carries out is the same filter, and cut or altered bytes are none or another")
    func coding() throws {
        var maker = FilterMaker(seed: 11)
        for round in 0..<1_000 {
            let text = maker.filter(depth: 2)
            let filter = try Filter(JSONDocument(parsing: text.encoded()).root)
            var bytes: [UInt8] = []
            filter.encode(into: &bytes)
            var reader = ByteReader(bytes)
            #expect(Filter(reader: &reader) == filter, "\(text), round \(round)")
            #expect(reader.isAtEnd)
            for cut in bytes.indices {
                var reader = ByteReader(Array(bytes[..<cut]))
                #expect(Filter(reader: &reader) == nil)
            }
            for _ in 0..<20 {
                var altered = bytes
                altered[maker.pick(Array(altered.indices))] = UInt8.random(in: 0...255, using: &maker.generator)
                var reader = ByteReader(altered)
                _ = Filter(reader: &reader)
            }
        }
    }
}
