import GrapeModel
import Testing

@Suite struct ObjectReaderTests {
    private func reader(_ text: String) throws -> ObjectReader {
        try ObjectReader(JSONDocument(parsing: Array(text.utf8)).root, name: "search request")
    }

    private func message(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? GrapeError)?.message
        }
    }

    @Test("A good request is read with its defaults")
    func good() throws {
        var fields = try reader(
            #"{"vector":[1,2],"limit":5,"offset":null,"with_payload":false,"score_threshold":0.5,"using":"a","#
                + #""id":7,"payload":{"x":1},"consistency":"eventual","deep":{"k":1},"list":[1,2]}"#)
        #expect(try fields.requiredFloats("vector") == [1, 2])
        #expect(try fields.integer("limit", in: 1...10_000, default: 10) == 5)
        #expect(try fields.integer("offset", in: 0...10_000, default: 3) == 3)
        #expect(try fields.bool("with_payload", default: true) == false)
        #expect(try fields.bool("with_vector", default: true))
        #expect(try fields.float("score_threshold") == 0.5)
        #expect(try fields.requiredString("using") == "a")
        #expect(try fields.id("id") == WrittenID(number: 7))
        #expect(try fields.payload("payload", maxBytes: 100).json == Array(#"{"x":1}"#.utf8))
        #expect(try fields.payload("absent", maxBytes: 100) == .empty)
        #expect(try fields.choice("consistency", default: Consistency.strong) == .eventual)
        #expect(try fields.array("list", max: 2)?.count == 2)
        #expect(try fields.filter("filter") == nil)
        var deep = try #require(try fields.object("deep"))
        #expect(try deep.integer("k", in: 0...1) == 1)
        try deep.finish()
        try fields.finish()
    }

    @Test("An unknown field is named, with the nearest known one")
    func unknown() {
        #expect(
            message {
                var fields = try reader(#"{"limt":3}"#)
                _ = try fields.integer("limit", in: 1...10)
                _ = try fields.integer("offset", in: 1...10)
                try fields.finish()
            } == #"search request: unknown field "limt" (did you mean "limit"?)"#)
        #expect(
            message {
                var fields = try reader(#"{"zzz":null}"#)
                _ = try fields.integer("limit", in: 1...10)
                try fields.finish()
            } == #"search request: unknown field "zzz""#)
    }

    @Test(
        "A wrong type or value is named with what was expected",
        arguments: [
            (#"{"n":"3"}"#, "field n: expected an integer, found a string"),
            (#"{"n":3.0}"#, "field n: expected an integer, found a number with a fraction or an exponent"),
            (#"{"n":11}"#, "field n: expected 1 to 10, found 11"),
            (#"{"n":-1}"#, "field n: expected 1 to 10, found -1"),
            (#"{"n":18446744073709551615}"#, "field n: expected 1 to 10, found 18446744073709551615"),
            (#"{"b":0}"#, "field b: expected a boolean, found an integer"),
            (#"{"s":[]}"#, "field s: expected a string, found an array"),
            (#"{"f":1e39}"#, "field f: 1e+39 is beyond a 32-bit float"),
            (#"{"v":3}"#, "v: expected an array of numbers, found an integer"),
            (#"{"v":[1,null]}"#, "v[1]: expected a number, found null"),
            (#"{"c":"stong"}"#, #"field c: expected one of "strong", "eventual", found "stong""#),
            (#"{"a":[1,2,3]}"#, "field a: has 3 elements, at most 2 are allowed"),
            (#"{"o":1}"#, "field o: expected an object, found an integer"),
            (#"{"id":-1}"#, "field id: an id is an integer from 0, found -1"),
            (
                #"{"id":1.5}"#,
                "field id: an id is an integer or a string, found a number with a fraction or an exponent"
            ),
            (#"{"id":""}"#, "field id: an id has 1 to 512 bytes, this one has 0"),
            (
                #"{"w":{"must":[{"kee":1}]}}"#,
                #"filter.must[0]: unknown field "kee" (did you mean "key"?)"#
            ),
            (#"{"id":1,"p":[]}"#, "field p: a payload is an object, found an array"),
            (#"{}"#, "field id: is missing"),
        ])
    func wrong(text: String, expected: String) {
        let found = message {
            var fields = try reader(text)
            _ = try fields.integer("n", in: 1...10)
            _ = try fields.bool("b")
            _ = try fields.string("s")
            _ = try fields.float("f")
            _ = try fields.floats("v")
            _ = try fields.choice("c", default: Consistency.strong)
            _ = try fields.array("a", max: 2)
            _ = try fields.object("o")
            _ = try fields.filter("w")
            _ = try fields.id("id")
            _ = try fields.payload("p", maxBytes: 10)
        }
        #expect(found == "search request: \(expected)")
    }

    @Test("What is no object is refused, naming the position")
    func noObject() throws {
        let root = try JSONDocument(parsing: Array("[]".utf8)).root
        #expect(
            message { _ = try ObjectReader(root, name: "vectors", at: 3) }
                == "vectors[3]: expected an object, found an array")
    }
}
