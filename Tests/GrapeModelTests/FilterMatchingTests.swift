import GrapeModel
import Testing

@Suite struct FilterMatchingTests {
    private let payload = #"""
        {"color": "red", "amount": 10, "price": 499.9, "whole": 5.0, "rating": [3, 7, 9, 9], "ok": true,
         "big": 9007199254740993, "huge": 18446744073709551615,
         "shipped_at": "2020-02-15T00:00:00Z", "parts": [], "packaging": null, "nulls": [null], "some": [1, null],
         "location": {"lon": 13.404954, "lat": 52.520008}, "places": [{"lon": 0, "lat": 0}, {"lon": 10, "lat": 50}],
         "text": "It was a bright cold day in April", "tags": ["alpha", "beta gamma"], "deep": {"a": {"b": [{"c": 1}, {"c": 2}]}},
         "diet": [{"food": "leaves", "likes": false}, {"food": "meat", "likes": true}],
         "matrix": [[1, 2], [3]], "a.b": 1, "object": {}}
        """#

    private func matches(_ condition: String, id: PointID = .integer(7)) throws -> Bool {
        let document = try JSONDocument(parsing: Array(payload.utf8))
        return try filter("{\"must\":[\(condition)]}").matches(document, id: id)
    }

    private func short(_ field: String, _ name: String, _ value: String) throws -> Bool {
        try matches(#"{"conditions":[{"field":"\#(field)","operator":"\#(name)","value":\#(value)}]}"#)
    }

    @Test(
        "Conditions hold",
        arguments: [
            #"{"key":"color","match":{"value":"red"}}"#, #"{"key":"ok","match":{"value":true}}"#,
            #"{"key":"amount","match":{"value":10.0}}"#, #"{"key":"whole","match":{"value":5}}"#,
            #"{"key":"big","match":{"value":9007199254740993}}"#,
            #"{"key":"huge","match":{"value":18446744073709551615}}"#, #"{"key":"rating","match":{"value":7}}"#,
            #"{"key":"rating[1]","match":{"value":7}}"#, #"{"key":"rating[]","match":{"value":7}}"#,
            #"{"key":"color","match":{"any":["blue","red"]}}"#, #"{"key":"color","match":{"except":["blue"]}}"#,
            #"{"key":"rating","match":{"except":[3,7]}}"#, #"{"key":"ok","match":{"except":["x"]}}"#,
            #"{"key":"text","match":{"text":"bright cold"}}"#, #"{"key":"tags","match":{"text":"ta ga"}}"#,
            #"{"key":"text","match":{"phrase":"day in"}}"#, #"{"key":"text","match":{"text_any":"night April"}}"#,
            #"{"key":"text","match":{"text":""}}"#, #"{"key":"price","range":{"gt":499,"lt":500}}"#,
            #"{"key":"amount","range":{"gte":10,"lte":10}}"#, #"{"key":"amount","range":{}}"#,
            #"{"key":"big","range":{"gt":9007199254740992}}"#, #"{"key":"big","range":{"gt":9007199254740992.0}}"#,
            #"{"key":"shipped_at","range":{"gte":"2020-02-01T00:00:00Z","lt":"2020-02-15T01:00:00+00:30"}}"#,
            #"{"key":"rating","values_count":{"gte":4}}"#, #"{"key":"color","values_count":{"lte":1}}"#,
            #"{"key":"packaging","values_count":{"lt":1}}"#, #"{"key":"missing","is_empty":true}"#,
            #"{"key":"parts","is_empty":true}"#, #"{"key":"object","is_empty":false}"#,
            #"{"key":"packaging","is_null":true}"#, #"{"key":"nulls","is_null":true}"#,
            #"{"key":"missing","is_null":false}"#, #"{"is_empty":{"key":"packaging"}}"#,
            #"{"is_empty":{"key":"parts"}}"#, #"{"is_empty":{"key":"missing.x"}}"#,
            #"{"is_null":{"key":"packaging"}}"#, #"{"is_null":{"key":"nulls[]"}}"#,
            #"{"has_id":[1,"7"]}"#, #"{"key":"deep.a.b[].c","match":{"value":2}}"#,
            #"{"key":"deep.a.b[0].c","match":{"value":1}}"#, #"{"key":"\"a.b\"","match":{"value":1}}"#,
            #"{"key":"matrix[]","match":{"value":3}}"#,
            #"{"nested":{"key":"diet","filter":{"must":[{"key":"food","match":{"value":"meat"}},"#
                + #"{"key":"likes","match":{"value":true}}]}}}"#,
            #"{"nested":{"key":"diet[]","filter":{"must_not":[{"has_id":[7]}]}}}"#,
            #"{"key":"location","geo_radius":{"center":{"lon":13.4,"lat":52.5},"radius":3000}}"#,
            #"{"key":"location","geo_bounding_box":{"top_left":{"lon":13,"lat":53},"bottom_right":{"lon":14,"lat":52}}}"#,
            #"{"key":"places","geo_radius":{"center":{"lon":10,"lat":50},"radius":1}}"#,
            #"{"min_should":{"conditions":[{"has_id":[7]},{"has_id":[8]},{"is_empty":{"key":"x"}}],"min_count":2}}"#,
            #"{"should":[]}"#, #"{}"#, #"{"must_not":{"has_id":[8]}}"#,
        ])
    func hold(condition: String) throws {
        #expect(try matches(condition))
    }

    @Test(
        "Conditions don't hold",
        arguments: [
            #"{"key":"color","match":{"value":"Red"}}"#, #"{"key":"amount","match":{"value":"10"}}"#,
            #"{"key":"ok","match":{"value":1}}"#, #"{"key":"big","match":{"value":9007199254740992}}"#,
            #"{"key":"huge","match":{"value":18446744073709551616.0}}"#, #"{"key":"rating[9]","match":{"value":7}}"#,
            #"{"key":"color[]","match":{"value":"red"}}"#, #"{"key":"color","match":{"any":[]}}"#,
            #"{"key":"color","match":{"except":["red"]}}"#, #"{"key":"missing","match":{"except":["x"]}}"#,
            #"{"key":"packaging","match":{"except":["x"]}}"#, #"{"key":"whole","match":{"except":[5]}}"#,
            #"{"key":"text","match":{"text":"BRIGHT"}}"#, #"{"key":"amount","match":{"text":"1"}}"#,
            #"{"key":"text","match":{"text_any":""}}"#, #"{"key":"color","range":{"gt":0}}"#,
            #"{"key":"big","range":{"lt":9007199254740993}}"#, #"{"key":"missing","range":{}}"#,
            #"{"key":"shipped_at","range":{"lt":"2020-02-15T00:00:00Z"}}"#,
            #"{"key":"color","range":{"lt":"2020-02-15T00:00:00Z"}}"#, #"{"key":"missing","values_count":{"lt":5}}"#,
            #"{"key":"nulls","is_empty":true}"#, #"{"key":"object","is_empty":true}"#,
            #"{"key":"missing","is_empty":false}"#, #"{"key":"missing","is_null":true}"#,
            #"{"key":"some","is_null":false}"#, #"{"is_null":{"key":"nulls"}}"#, #"{"is_null":{"key":"missing"}}"#,
            #"{"is_empty":{"key":"nulls"}}"#, #"{"has_id":[]}"#, #"{"has_id":["007"]}"#,
            #"{"key":"a.b","match":{"value":1}}"#, #"{"key":"matrix","match":{"value":3}}"#,
            #"{"key":"deep.a.b.c","match":{"value":2}}"#,
            #"{"nested":{"key":"diet","filter":{"must":[{"key":"food","match":{"value":"meat"}},"#
                + #"{"key":"likes","match":{"value":false}}]}}}"#,
            #"{"nested":{"key":"diet","filter":{"must":[{"has_id":[7]}]}}}"#,
            #"{"nested":{"key":"location","filter":{}}}"#, #"{"nested":{"key":"rating","filter":{}}}"#,
            #"{"key":"location","geo_radius":{"center":{"lon":13.4,"lat":52.5},"radius":2000}}"#,
            #"{"key":"color","geo_radius":{"center":{"lon":0,"lat":0},"radius":1e9}}"#,
            #"{"min_should":{"conditions":[{"has_id":[7]},{"has_id":[8]}],"min_count":2}}"#,
            #"{"should":[{"has_id":[8]}]}"#, #"{"must_not":{"has_id":[7]}}"#,
        ])
    func doNotHold(condition: String) throws {
        #expect(try !matches(condition))
    }

    @Test("Operators of the short form")
    func shortForm() throws {
        #expect(try short("rating", "eq", "9"))
        #expect(try short("missing", "ne", "9"))
        #expect(try short("color", "ne", "\"blue\""))
        #expect(try !short("rating", "ne", "9"))
        #expect(try short("price", "gt", "499"))
        #expect(try !short("missing", "lt", "499"))
        #expect(try short("color", "in", "[\"red\"]"))
        #expect(try short("tags", "contains", "\"alpha\""))
        #expect(try !short("tags", "contains", "\"alph\""))
        #expect(try short("text", "contains", "\"bright\""))
        #expect(try !short("text", "contains", "\"Bright\""))
        #expect(try short("rating", "contains", "3"))
        #expect(try !short("amount", "contains", "10"))
        #expect(try short("shipped_at", "lte", "\"2020-02-15\""))
    }

    @Test("Looking for a long repetitive text takes linear time")
    func hostileSubstring() throws {
        let text = String(repeating: "a", count: 1_000_000)
        let part = String(repeating: "a", count: 500_000) + "b"
        let document = try JSONDocument(parsing: Array("{\"x\":\"\(text)\"}".utf8))
        let condition = try filter("{\"must\":[{\"key\":\"x\",\"match\":{\"text\":\"\(part)\"}}]}")
        // The best of some: another program may take the processor meanwhile.
        let taken = (0..<5).map { _ in
            ContinuousClock().measure { #expect(!condition.matches(document, id: .integer(1))) }
        }
        #expect(taken.min().map { $0 < .seconds(2) } == true)
    }
}

@Suite struct GeoShapeTests {
    private func point(_ longitude: Double, _ latitude: Double) -> GeoPoint {
        GeoPoint(longitude: longitude, latitude: latitude)
    }

    @Test("Distances are metres along the great circle")
    func distances() {
        let berlin = point(13.404954, 52.520008)
        let moscow = point(37.617298, 55.755826)
        #expect(abs(berlin.distance(to: moscow) - 1_608_900) < 1_000)
        #expect(berlin.distance(to: berlin) == 0)
        #expect(abs(point(0, 90).distance(to: point(120, -90)) - 20_015_115) < 10)
        #expect(abs(point(179.5, 0).distance(to: point(-179.5, 0)) - 111_195) < 1)
    }

    @Test("A box may cross the antimeridian")
    func boxes() {
        let box = GeoShape.box(topLeft: point(170, 10), bottomRight: point(-170, -10))
        #expect(box.contains(point(175, 0)))
        #expect(box.contains(point(-175, 0)))
        #expect(!box.contains(point(0, 0)))
        #expect(!box.contains(point(175, 10)))
        #expect(!box.contains(point(170, 0)))
    }

    @Test("A polygon holds what is within its ring and in none of its holes, not its boundary")
    func polygons() {
        let ring = [point(0, 0), point(4, 0), point(4, 4), point(2, 2), point(0, 4), point(0, 0)]
        let hole = [point(1, 0.5), point(3, 0.5), point(3, 1), point(1, 1), point(1, 0.5)]
        for points in [ring, ring.reversed()] {
            let polygon = GeoShape.polygon(exterior: points, interiors: [hole])
            for inside in [point(0.5, 0.5), point(3.5, 2), point(0.5, 2), point(2, 1.5), point(0.1, 3.5)] {
                #expect(polygon.contains(inside), "\(inside)")
            }
            for outside in [
                point(2, 0.75), point(2, 3), point(5, 2), point(-1, 0), point(-1, 2), point(2, 2), point(0, 0),
                point(4, 1), point(3, 3), point(1, 0.75), point(5, 4), point(-1, 4),
            ] {
                #expect(!polygon.contains(outside), "\(outside)")
            }
        }
    }
}
