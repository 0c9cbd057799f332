import GrapeModel
import GrapeTestKit
import Testing

extension JSONValue {
    /// A random value of all kinds.
    static func random(depth: Int, using generator: inout SplitMix64) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 9 : 7), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .integer(.random(in: .min ... .max, using: &generator))
        case 3: return .integer(.random(in: -3...3, using: &generator))
        case 4: return .unsigned(.random(in: (1 << 63)...UInt64.max, using: &generator))
        case 5:
            let double = Double(bitPattern: .random(in: 0...UInt64.max, using: &generator))
            return .double(double.isFinite ? double : 1)
        case 6: return .string(.random(using: &generator))
        case 7:
            let count = Int.random(in: 0...3, using: &generator)
            return .array((0..<count).map { _ in .random(depth: depth - 1, using: &generator) })
        default:
            let count = Int.random(in: 0...3, using: &generator)
            return .object(
                JSONObject(
                    (0..<count).map { _ in
                        (String.random(using: &generator), JSONValue.random(depth: depth - 1, using: &generator))
                    }))
        }
    }
}

extension String {
    static func random(using generator: inout SplitMix64) -> String {
        var scalars = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...6, using: &generator) {
            let limit: UInt32 = [0x20, 0x80, 0x3000, 0x11_0000].randomElement(using: &generator) ?? 0x80
            guard let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator)) else { continue }
            scalars.append(scalar)
        }
        return String(scalars)
    }
}

@Suite struct JSONValueTests {
    @Test("Random values come back from their text as they were")
    func roundTrips() throws {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<5_000 {
            let value = JSONValue.random(depth: 4, using: &generator)
            #expect(try JSONValue(parsing: value.encoded()) == value)
        }
    }

    @Test("Literals make values and text is read to the same ones")
    func literals() throws {
        let value: JSONValue = [
            "title": "Rebecca", "year": 1938, "rating": 4.5, "tags": ["gothic", nil, true], "none": [:],
        ]
        #expect(
            value.json == #"{"title":"Rebecca","year":1938,"rating":4.5,"tags":["gothic",null,true],"none":{}}"#)
        #expect(try JSONValue(parsing: value.json) == value)
        #expect(value["year"]?.intValue == 1938)
        #expect(value["rating"]?.doubleValue == 4.5)
        #expect(value["rating"]?.intValue == nil)
        #expect(value["tags"]?[0]?.stringValue == "gothic")
        #expect(value["tags"]?[1]?.isNull == true)
        #expect(value["tags"]?[2]?.boolValue == true)
        #expect(value["tags"]?[3] == nil)
        #expect(value["missing"] == nil)
        #expect(value["none"]?.objectValue?.isEmpty == true)
    }

    @Test("Integers keep all their bits, and whole doubles stay doubles")
    func numbers() throws {
        let text = "[9223372036854775807,-9223372036854775808,18446744073709551615,1.0,-0.0,9007199254740993,0.1]"
        #expect(try JSONValue(parsing: text).json == text)
        #expect(JSONValue.integer(-1).uintValue == nil)
        #expect(JSONValue.unsigned(1 << 63).intValue == nil)
        #expect(JSONValue.unsigned(1 << 63).uintValue == 1 << 63)
        #expect(JSONValue.double(.nan).json == "null")
    }

    @Test("Of equal keys the last value wins, at the place of the first")
    func equalKeys() throws {
        #expect(try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#).json == #"{"a":3,"b":2}"#)
        let fields = (0..<1_000).map { ("key \($0 % 400)", JSONValue.integer(Int64($0))) }
        let object = JSONObject(fields)
        #expect(object.count == 400)
        #expect(object["key 7"] == 807)
        #expect(object.first?.key == "key 0")
    }

    @Test("Keys that Unicode calls equivalent are two keys")
    func equivalentKeys() throws {
        let value = try JSONValue(parsing: #"{"\u00e9":1,"e\u0301":2}"#)
        #expect(value.objectValue?.count == 2)
        #expect(value["\u{e9}"] == 1)
        #expect(value["e\u{301}"] == 2)
        #expect(JSONObject([("\u{e9}", 1)]) != JSONObject([("e\u{301}", 1)]))
    }

    @Test("An object's fields are set, replaced and removed")
    func objectFields() {
        var object: JSONObject = ["a": 1, "b": 2]
        object["c"] = 3
        object["a"] = 4
        object["b"] = nil
        object["x"] = nil
        #expect(JSONValue.object(object).json == #"{"a":4,"c":3}"#)
    }
}
