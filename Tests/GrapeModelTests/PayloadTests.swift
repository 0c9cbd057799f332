import GrapeModel
import GrapeTestKit
import Testing

@Suite struct PayloadTests {
    private func payload(_ text: String, maxBytes: Int = 1_000) throws -> String {
        let root = try JSONDocument(parsing: Array(text.utf8)).root
        return String(decoding: try Payload(root, maxBytes: maxBytes).json, as: UTF8.self)
    }

    @Test("A payload becomes compact text with its numbers and the order of its keys kept")
    func canonical() throws {
        #expect(
            try payload(
                " { \"z\" : [ 1 , 1.0 , 9007199254740993 , 18446744073709551615 ] ,\n \"a\" : \"\\u00e9\\/\" } ")
                == #"{"z":[1,1.0,9007199254740993,18446744073709551615],"a":"é/"}"#)
        #expect(try payload("{}") == "{}")
        #expect(try payload("null") == "{}")
        #expect(try Payload(nil as JSONDocument.Node?, maxBytes: 0) == .empty)
    }

    @Test("Of equal keys the last wins at the place of the first, at every level and in large objects")
    func equalKeys() throws {
        #expect(try payload(#"{"a":1,"b":{"x":1,"x":2},"a":3}"#) == #"{"a":3,"b":{"x":2}}"#)
        let fields = (0..<100).map { "\"k\($0 % 30)\":\($0)" }.joined(separator: ",")
        let value = try JSONValue(parsing: payload("{\(fields)}", maxBytes: 10_000))
        #expect(value.objectValue?.map(\.key) == (0..<30).map { "k\($0)" })
        #expect(value["k5"] == 95)
    }

    @Test("What is no object, or too long, is refused with a reason")
    func refused() {
        #expect(throws: GrapeError(.invalidRequest, "a payload is an object, found an array")) { try payload("[]") }
        #expect(throws: GrapeError(.invalidRequest, "a payload is an object, found a string")) { try payload("\"\"") }
        #expect(
            throws: GrapeError(
                .invalidRequest, "the payload has 9 bytes as compact JSON, at most 8 are allowed")
        ) { try payload(#"{ "a" : 123 }"#, maxBytes: 8) }
        #expect(throws: Never.self) { try payload(#"{ "a" : 12 }"#, maxBytes: 8) }
    }

    @Test("A payload made of a value is the same as one made of its text, and shows the value again")
    func values() throws {
        var generator = SplitMix64(seed: 5)
        for _ in 0..<1_000 {
            let object = JSONObject([
                ("a", .random(depth: 3, using: &generator)), ("b", .random(depth: 3, using: &generator)),
            ])
            let made = try Payload(object)
            let read = try Payload(JSONDocument(parsing: made.json).root, maxBytes: .max)
            #expect(made == read)
            #expect(try made.value == .object(object))
        }
    }
}
