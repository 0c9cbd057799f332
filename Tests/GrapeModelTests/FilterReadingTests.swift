import GrapeModel
import Testing

func filter(_ text: String) throws -> Filter {
    try Filter(JSONDocument(parsing: Array(text.utf8)).root)
}

@Suite struct FilterReadingTests {
    private func path(_ text: String) throws -> PayloadPath { try PayloadPath(text) }

    @Test("Qdrant's form is read with single conditions, lists and nested filters")
    func qdrantForm() throws {
        let read = try filter(
            #"""
            {"must": {"key": "a", "match": {"value": 1}},
             "should": [{"is_empty": {"key": "b"}}, {"must_not": [{"has_id": [1, "x"]}]}],
             "must_not": null,
             "min_should": {"conditions": [{"is_null": {"key": "c"}}], "min_count": 1}}
            """#)
        let expected = Filter(
            must: [.field(FieldCondition(path: try path("a"), test: .equals(.number(.integer(1)))))],
            should: [
                .isEmpty(try path("b")), .filter(Filter(mustNot: [.hasID([.integer(1), .text([0x78])])])),
            ],
            minShould: .init(conditions: [.isNull(try path("c"))], count: 1))
        #expect(read == expected)
        #expect(try filter("{}") == Filter())
    }

    @Test("The short form is read as the same filter in Qdrant's terms")
    func shortForm() throws {
        let pairs = [
            ("eq", "1", #"{"must":[{"key":"a","match":{"value":1}}]}"#),
            ("ne", "\"x\"", #"{"must_not":[{"key":"a","match":{"value":"x"}}]}"#),
            ("gt", "1.5", #"{"must":[{"key":"a","range":{"gt":1.5}}]}"#),
            ("gte", "\"2024-05-01\"", #"{"must":[{"key":"a","range":{"gte":"2024-05-01T00:00:00Z"}}]}"#),
            ("lt", "-1", #"{"must":[{"key":"a","range":{"lt":-1}}]}"#),
            ("lte", "0", #"{"must":[{"key":"a","range":{"lte":0}}]}"#),
            ("in", "[1,\"x\",true]", #"{"must":[{"key":"a","match":{"any":[true,"x",1]}}]}"#),
        ]
        for (name, value, long) in pairs {
            let short = #"{"conditions":[{"field":"a","operator":"\#(name)","value":\#(value)}]}"#
            #expect(try filter(short) == filter(long), "\(short)")
        }
        #expect(
            try filter(#"{"conditions":[{"field":"a","operator":"contains","value":"x"}]}"#).must
                == [.field(FieldCondition(path: try path("a"), test: .contains(.string([0x78]))))])
    }

    @Test(
        "A wrong filter is refused, naming the place",
        arguments: [
            ("[]", "filter: expected an object, found an array"),
            (#"{"musst":[]}"#, #"filter: unknown field "musst" (did you mean "must"?)"#),
            (#"{"must":7}"#, "filter.must: expected a condition or an array, found an integer"),
            (#"{"must":[{},7]}"#, "filter.must[1]: expected a condition, an object, found an integer"),
            (#"{"must":[{"kee":"a"}]}"#, #"filter.must[0]: unknown field "kee" (did you mean "key"?)"#),
            (
                #"{"must":[{"key":"a"}]}"#,
                "filter.must[0]: expected one of match, range, geo_bounding_box, geo_radius, geo_polygon, "
                    + "values_count, is_empty, is_null beside key, found none"
            ),
            (
                #"{"must":[{"key":"a","is_null":true,"is_empty":true}]}"#,
                "filter.must[0]: expected one of match, range, geo_bounding_box, geo_radius, geo_polygon, "
                    + "values_count, is_empty, is_null beside key, found 2"
            ),
            (#"{"must":[{"key":"","is_null":true}]}"#, #"filter.must[0]: field key: "" is no path to a payload field"#),
            (#"{"must":[{"key":7,"is_null":true}]}"#, "filter.must[0]: field key: expected a string, found an integer"),
            (
                #"{"must":[{"key":"a","match":{"valeu":1}}]}"#,
                #"filter.must[0].match: unknown field "valeu" (did you mean "value"?)"#
            ),
            (
                #"{"must":[{"key":"a","match":{}}]}"#,
                "filter.must[0].match: expected one of value, any, except, text, phrase, text_any"
            ),
            (
                #"{"must":[{"key":"a","match":{"value":[1]}}]}"#,
                "filter.must[0].match.value: expected a string, a number or a boolean, found an array"
            ),
            (
                #"{"must":[{"key":"a","match":{"any":[1,null]}}]}"#,
                "filter.must[0].match.any[1]: expected a string, a number or a boolean, found null"
            ),
            (
                #"{"must":[{"key":"a","range":{"gtt":1}}]}"#,
                #"filter.must[0].range: unknown field "gtt" (did you mean "gt"?)"#
            ),
            (
                #"{"must":[{"key":"a","range":{"gt":"yesterday"}}]}"#,
                #"filter.must[0].range: field gt: "yesterday" is no RFC 3339 datetime"#
            ),
            (
                #"{"must":[{"key":"a","range":{"gt":1,"lt":"2024-05-01"}}]}"#,
                "filter.must[0].range: the bounds are all numbers or all datetimes, not both"
            ),
            (
                #"{"must":[{"key":"a","values_count":{"gt":-1}}]}"#,
                "filter.must[0].values_count: field gt: expected 0 to 9223372036854775807, found -1"
            ),
            (
                #"{"must":[{"key":"a","geo_radius":{"center":{"lon":181,"lat":0},"radius":1}}]}"#,
                "filter.must[0].geo_radius.center: field lon: expected -180.0 to 180.0, found 181.0"
            ),
            (
                #"{"must":[{"key":"a","geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0}]}}}]}"#,
                "filter.must[0].geo_polygon.exterior: a ring has at least 4 points, the last the same as the first"
            ),
            (
                #"{"must":[{"has_id":[1,-1]}]}"#,
                "filter.must[0].has_id[1]: an id is an integer from 0, found -1"
            ),
            (#"{"must":[{"has_id":7}]}"#, "filter.must[0]: field has_id: expected an array, found an integer"),
            (
                #"{"must":[{"nested":{"key":"a","filter":{"shuld":[]}}}]}"#,
                #"filter.must[0].nested.filter: unknown field "shuld" (did you mean "should"?)"#
            ),
            (#"{"min_should":{"conditions":[]}}"#, "filter.min_should: field min_count: is missing"),
            (
                #"{"conditions":[{"field":"a","operator":"like","value":1}]}"#,
                #"filter.conditions[0]: field operator: expected one of "eq", "ne", "gt", "gte", "lt", "lte", "in", "#
                    + #""contains", found "like""#
            ),
            (#"{"conditions":[{"field":"a","value":1}]}"#, "filter.conditions[0]: field operator: is missing"),
            (#"{"conditions":[{"field":"a","operator":"eq"}]}"#, "filter.conditions[0]: field value: is missing"),
            (
                #"{"conditions":[{"field":"a","operator":"in","value":1}]}"#,
                "filter.conditions[0]: field value: expected an array, found an integer"
            ),
            (
                #"{"conditions":[{"field":"a","operator":"gt","value":true}]}"#,
                "filter.conditions[0]: field value: expected a number or an RFC 3339 datetime, found a boolean"
            ),
            (#"{"conditions":[],"must":[]}"#, #"filter: unknown field "must""#),
        ])
    func refused(text: String, message: String) {
        #expect(throws: GrapeError(.invalidRequest, message)) { try filter(text) }
    }

    @Test("A filter has at most 1,024 conditions, nested ones counted, and any depth that its text may have")
    func limits() throws {
        let condition = #"{"key":"a","is_null":true}"#
        func list(_ count: Int) -> String { Array(repeating: condition, count: count).joined(separator: ",") }
        #expect(throws: Never.self) { try filter("{\"must\":[\(list(1_024))]}") }
        #expect(throws: GrapeError.self) { try filter("{\"must\":[\(list(1_025))]}") }
        let nested = "{\"must\":[\(list(512))],\"should\":{\"must\":[\(list(512))]}}"
        #expect(throws: GrapeError.self) { try filter(nested) }
        let short = #"{"field":"a","operator":"eq","value":1}"#
        let shorts = Array(repeating: short, count: 1_025).joined(separator: ",")
        #expect(throws: GrapeError.self) { try filter("{\"conditions\":[\(shorts)]}") }
        let deep = String(repeating: #"{"must":"#, count: 126) + condition + String(repeating: "}", count: 126)
        let payload = try JSONDocument(parsing: Array(#"{"a":null}"#.utf8))
        #expect(try filter(deep).matches(payload, id: .integer(1)))
    }

    @Test(
        "Paths are read step by step",
        arguments: [
            ("a", [.key([0x61])]), ("a.b", [.key([0x61]), .key([0x62])]),
            ("a[].b", [.key([0x61]), .everyElement, .key([0x62])]),
            ("a[0][12]", [.key([0x61]), .index(0), .index(12)]),
            ("\"a.b\".c", [.key(Array("a.b".utf8)), .key([0x63])]), ("a b-c_é", [.key(Array("a b-c_é".utf8))]),
            ("a.\"\"", [.key([0x61]), .key([])]),
        ] as [(String, [PayloadPath.Step])])
    func paths(text: String, steps: [PayloadPath.Step]) throws {
        #expect(try PayloadPath(text).steps == steps)
    }

    @Test(
        "What is no path is refused",
        arguments: [
            "", ".", "a.", ".a", "a..b", "[0]", "a[", "a[x]", "a[-1]", "a[0", "a]", "a\"b", "\"a", "\"a\"b", "a[]b",
            "a[9999999999999999999]", String(repeating: "a.", count: 64) + "a",
        ])
    func noPaths(text: String) {
        #expect(throws: GrapeError.self) { try PayloadPath(text) }
    }

    @Test("Only ids need no payload")
    func readsPayload() throws {
        #expect(try !filter("{}").readsPayload)
        #expect(try !filter(#"{"must":[{"has_id":[1]},{"should":[{"has_id":[1]}]}]}"#).readsPayload)
        #expect(try filter(#"{"must":[{"has_id":[1]},{"should":[{"is_null":{"key":"a"}}]}]}"#).readsPayload)
        #expect(try filter(#"{"min_should":{"conditions":[{"is_null":{"key":"a"}}],"min_count":0}}"#).readsPayload)
    }
}
