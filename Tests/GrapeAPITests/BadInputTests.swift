import GrapeModel
import Testing

/// Everything that a client can get wrong is answered in the error form with the right status, and changes nothing.
@Suite(.serialized) struct BadInputTests {
    struct Case: Sendable, CustomStringConvertible {
        let method: String
        let path: String
        let body: String?
        let status: Int
        let code: String
        /// What the message must hold.
        let words: [String]

        init(
            _ method: String, _ path: String, _ body: String?, _ status: Int, _ code: String = "invalid_request",
            _ words: String...
        ) {
            self.method = method
            self.path = path
            self.body = body
            self.status = status
            self.code = code
            self.words = words
        }

        var description: String { "\(method) \(path.prefix(60)) \(body?.prefix(100) ?? "")" }
    }

    static let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)

    /// Wrong as the body of any call that has one.
    static let notObjects: [(String, String)] = [
        ("", "body"), ("{", "invalid JSON"), ("not json", "invalid JSON"), (#"{"a":1}}"#, "invalid JSON"),
        ("[]", "object"), ("3", "object"),
        ("null", "object"), (#""text""#, "object"), (deep, "invalid JSON"), (#"{"a":\#(deep)}"#, "invalid JSON"),
        ("{\"a\":\"\u{1}\"}", "invalid JSON"),
        ("{} {}", "invalid JSON"), ("{'a':1}", "invalid JSON"), (#"{"vector":[NaN]}"#, "invalid JSON"),
    ]

    static let bodies = [
        ("POST", "/vectors"), ("POST", "/vectors/batch"), ("POST", "/vectors/search"),
        ("POST", "/vectors/search/batch"), ("PUT", "/collections/new"), ("POST", "/cluster/join"),
        ("POST", "/cluster/leave"),
    ]

    static let points: [(String, String, [String])] = [
        (#"{"vector":[1,2,3]}"#, "invalid_request", ["id"]), (#"{"id":1}"#, "invalid_request", ["vector"]),
        (#"{"id":"","vector":[1,2,3]}"#, "invalid_request", ["id"]),
        (#"{"id":"\#(String(repeating: "x", count: 10_240))","vector":[1,2,3]}"#, "invalid_request", ["id", "512"]),
        (#"{"id":-1,"vector":[1,2,3]}"#, "invalid_request", ["id"]),
        (#"{"id":1.5,"vector":[1,2,3]}"#, "invalid_request", ["id"]),
        (#"{"id":18446744073709551616,"vector":[1,2,3]}"#, "invalid_request", ["id"]),
        (#"{"id":true,"vector":[1,2,3]}"#, "invalid_request", ["id"]),
        (#"{"id":1,"vector":[]}"#, "dimension_mismatch", ["0", "3"]),
        (#"{"id":1,"vector":[1,2]}"#, "dimension_mismatch", ["2", "3", "default"]),
        (#"{"id":1,"vector":[1,2,3,4]}"#, "dimension_mismatch", ["4", "3"]),
        (#"{"id":1,"vector":[1,2,1e39]}"#, "invalid_vector", ["vector[2]"]),
        (#"{"id":1,"vector":[1,"2",3]}"#, "invalid_vector", ["vector[1]", "string"]),
        (#"{"id":1,"vector":[1,null,3]}"#, "invalid_vector", ["vector[1]"]),
        (#"{"id":1,"vector":[1,[2],3]}"#, "invalid_vector", ["vector[1]"]),
        (#"{"id":1,"vector":"1,2,3"}"#, "invalid_vector", ["vector", "string"]),
        (#"{"id":1,"vector":[0,0,0]}"#, "invalid_vector", ["zero"]),
        (#"{"id":1,"vector":[1,2,3],"payload":[]}"#, "invalid_request", ["payload"]),
        (#"{"id":1,"vector":[1,2,3],"payload":"x"}"#, "invalid_request", ["payload"]),
        (#"{"id":1,"vector":[1,2,3],"paylod":{}}"#, "invalid_request", ["paylod", "payload"]),
        (#"{"id":1,"vector":{"a":[1,2,3]}}"#, "invalid_vector", ["a"]),
    ]

    static let searches: [(String, Int, String, [String])] = [
        ("{}", 400, "invalid_request", ["vector"]),
        (#"{"vector":[1,2]}"#, 400, "dimension_mismatch", ["2", "3"]),
        (#"{"vector":[1,2,1e39]}"#, 400, "invalid_vector", ["vector[2]"]),
        (#"{"vector":[0,0,0]}"#, 400, "invalid_vector", ["zero"]),
        (#"{"vector":[1,2,3],"limit":0}"#, 400, "invalid_request", ["limit", "0"]),
        (#"{"vector":[1,2,3],"limit":1000000000}"#, 400, "invalid_request", ["limit", "1000000000"]),
        (#"{"vector":[1,2,3],"limit":-1}"#, 400, "invalid_request", ["limit"]),
        (#"{"vector":[1,2,3],"limit":1.5}"#, 400, "invalid_request", ["limit"]),
        (#"{"vector":[1,2,3],"limit":"1"}"#, 400, "invalid_request", ["limit", "string"]),
        (#"{"vector":[1,2,3],"limit":99999999999999999999}"#, 400, "invalid_request", ["64 bits"]),
        (#"{"vector":[1,2,3],"limit":10000,"offset":10000}"#, 400, "invalid_request", ["offset"]),
        (#"{"vector":[1,2,3],"offset":-5}"#, 400, "invalid_request", ["offset"]),
        (#"{"vector":[1,2,3],"ef":0}"#, 400, "invalid_request", ["ef"]),
        (#"{"vector":[1,2,3],"exact":"yes"}"#, 400, "invalid_request", ["exact", "boolean"]),
        (#"{"vector":[1,2,3],"with_payload":1}"#, 400, "invalid_request", ["with_payload"]),
        (#"{"vector":[1,2,3],"consistency":"weak"}"#, 400, "invalid_request", ["consistency", "eventual"]),
        (#"{"vector":[1,2,3],"score_threshold":"x"}"#, 400, "invalid_request", ["score_threshold"]),
        (#"{"vector":[1,2,3],"score_threshold":1e39}"#, 400, "invalid_request", ["score_threshold"]),
        (#"{"vector":[1,2,3],"limt":3}"#, 400, "invalid_request", ["limt", "limit"]),
        (#"{"vector":[1,2,3],"filter":[]}"#, 400, "invalid_request", ["filter"]),
        (#"{"vector":[1,2,3],"filter":{"must":3}}"#, 400, "invalid_request", ["must"]),
        (#"{"vector":[1,2,3],"filter":{"musst":[]}}"#, 400, "invalid_request", ["musst"]),
        (
            #"{"vector":[1,2,3],"filter":{"conditions":[{"field":"a","operator":"like","value":1}]}}"#, 400,
            "invalid_request", ["operator"]
        ),
        (#"{"vector":[1,2,3],"using":"other"}"#, 400, "invalid_request", ["other"]),
    ]

    static let collections: [(String, [String])] = [
        ("{}", ["vectors"]), (#"{"vectors":[]}"#, ["vectors"]), (#"{"vectors":{}}"#, ["vectors"]),
        (#"{"vectors":{"size":3}}"#, ["distance"]), (#"{"vectors":{"size":0,"distance":"Cosine"}}"#, ["size"]),
        (#"{"vectors":{"size":70000,"distance":"Cosine"}}"#, ["size", "65536"]),
        (#"{"vectors":{"size":3,"distance":"cosine"}}"#, ["distance", "Cosine"]),
        (#"{"vectors":{"size":3,"distance":"Dot","sze":1}}"#, ["sze"]),
        (#"{"vectors":{"size":3,"distance":"Dot"},"shard_numbr":1}"#, ["shard_numbr"]),
        (#"{"vectors":{"size":3,"distance":"Dot","hnsw_config":{"m":1}}}"#, ["m"]),
        (#"{"vectors":{"size":3,"distance":"Dot","hnsw_config":{"ef":1}}}"#, ["ef"]),
        (#"{"vectors":{"a":{"size":3}}}"#, ["distance"]), (#"{"vectors":{"a":3}}"#, ["object"]),
    ]

    static let paths: [Case] = [
        Case("GET", "/nothing", nil, 404, "not_found"), Case("GET", "//", nil, 404, "not_found"),
        Case("GET", "/vectors/", nil, 404, "not_found"), Case("GET", "/vectors//x", nil, 404, "not_found"),
        Case("GET", "/vectors/a/b", nil, 404, "not_found"),
        Case("GET", "/collections//vectors/x", nil, 404, "not_found"),
        Case("GET", "/cluster", nil, 404, "not_found"), Case("GET", "/cluster/nodes/x", nil, 404, "not_found"),
        Case("GET", "/VECTORS/x", nil, 404, "not_found"), Case("GET", "*", nil, 404, "not_found"),
        Case("GET", "/vectors", nil, 405, "method_not_allowed", "POST"),
        Case("POST", "/health", "", 405, "method_not_allowed"),
        Case("PUT", "/vectors/x", "", 405, "method_not_allowed"),
        Case("PATCH", "/collections/x", "", 405, "method_not_allowed"),
        Case("OPTIONS", "/", nil, 405, "method_not_allowed"),
        Case("TRACE", "/stats", nil, 405, "method_not_allowed"),
        Case("GET", "/vectors/%", nil, 400, "invalid_request", "%"), Case("GET", "/vectors/%zz", nil, 400),
        Case("GET", "/vectors/a%2", nil, 400), Case("GET", "/vectors/%ff%fe", nil, 400, "invalid_request", "UTF-8"),
        Case("GET", "/vectors/x?consistency=weak", nil, 400, "invalid_request", "consistency", "weak"),
        Case("GET", "/vectors/x?consistncy=strong", nil, 400, "invalid_request", "consistncy"),
        Case("GET", "/stats?verbose=1", nil, 400, "invalid_request", "verbose"),
        Case("GET", "/vectors/\(String(repeating: "x", count: 600))", nil, 400, "invalid_request", "512"),
        Case("GET", "/vectors/\(String(repeating: "x", count: 10_000))", nil, 414, "uri_too_long"),
        Case("GET", "/collections/none", nil, 404, "collection_not_found", "none"),
        Case("GET", "/collections/none/vectors/1", nil, 404, "collection_not_found", "none"),
        Case("DELETE", "/collections/none/vectors/1", nil, 404, "collection_not_found", "none"),
        Case("POST", "/collections/none/vectors", #"{"id":1,"vector":[1]}"#, 404, "collection_not_found"),
        Case(
            "POST", "/collections/none/vectors/batch", #"{"vectors":[{"id":1,"vector":[1]}]}"#, 404,
            "collection_not_found"),
        Case("POST", "/collections/none/vectors/search", #"{"vector":[1]}"#, 404, "collection_not_found"),
        Case(
            "POST", "/collections/none/vectors/search/batch", #"{"searches":[{"vector":[1]}]}"#, 404,
            "collection_not_found"),
        Case(
            "PUT", "/collections/\(String(repeating: "n", count: 300))", #"{"vectors":{"size":3,"distance":"Dot"}}"#,
            400),
        Case("PUT", "/collections/a%2Fb", #"{"vectors":{"size":3,"distance":"Dot"}}"#, 400),
        Case("POST", "/vectors/batch", #"{"vectors":[]}"#, 400, "invalid_request", "vectors"),
        Case("POST", "/vectors/batch", #"{"vectors":{}}"#, 400, "invalid_request", "vectors", "array"),
        Case("POST", "/vectors/batch", #"{"points":[]}"#, 400, "invalid_request", "vectors"),
        Case("POST", "/vectors/search/batch", #"{"searches":[]}"#, 400, "invalid_request", "searches"),
        Case(
            "POST", "/vectors/search/batch", #"{"searches":[{"vector":[1,2,3]},{"vector":[1]}]}"#, 400,
            "dimension_mismatch"),
    ]

    static var all: [Case] {
        var cases = paths
        for (method, path) in bodies {
            for (body, word) in notObjects {
                cases.append(Case(method, path, body, 400, "invalid_request", word))
                if body.isEmpty { cases.append(Case(method, path, nil, 400, "invalid_request", word)) }
            }
        }
        for (body, code, words) in points {
            cases.append(Case("POST", "/vectors", body, 400, code, words[0], words.last ?? ""))
            let batch = #"{"vectors":[{"id":"good","vector":[9,9,9]},\#(body)]}"#
            cases.append(Case("POST", "/vectors/batch", batch, 400, code, words[0], words.last ?? ""))
        }
        for (body, status, code, words) in searches {
            cases.append(Case("POST", "/vectors/search", body, status, code, words[0], words.last ?? ""))
            let batch = #"{"searches":[{"vector":[1,2,3]},\#(body)]}"#
            cases.append(Case("POST", "/vectors/search/batch", batch, status, code, words[0], words.last ?? ""))
        }
        for (body, words) in collections {
            cases.append(Case("PUT", "/collections/new", body, 400, "invalid_request", words[0], words.last ?? ""))
        }
        return cases
    }

    @Test func everyMistakeIsNamedAndChangesNothing() async throws {
        try await TestServer.with { (server) async throws in
            let first = try await server.call("POST", "/vectors", #"{"id":"first","vector":[1,2,3]}"#)
            #expect(first.status == 200)
            for test in Self.all {
                let answer = try await server.call(test.method, test.path, test.body)
                #expect(answer.status == test.status, "\(test): \(answer.status) \(answer.text.prefix(300))")
                #expect(answer.errorCode == test.code, "\(test): \(answer.text.prefix(300))")
                let message = try #require(answer.errorMessage, "\(test): \(answer.text.prefix(300))")
                for word in test.words where !word.isEmpty { #expect(message.contains(word), "\(test): \(message)") }
                #expect(message.utf8.count < 1_000, "\(test): a long message")
                #expect(answer.headers["content-type"] == "application/json", "\(test)")
            }
            let statistics = try await server.call("GET", "/stats").json()
            #expect(statistics["points"] == 1)
            #expect(statistics["collections"] == 1)
            #expect(try await server.call("GET", "/vectors/good").status == 404)
        }
    }

    @Test func aMistakeBeforeTheFirstWriteMakesNoCollection() async throws {
        try await TestServer.with { (server) async throws in
            for body in [#"{"id":1,"vector":[0,0]}"#, #"{"id":1,"vector":[]}"#, #"{"id":"","vector":[1]}"#] {
                #expect(try await server.call("POST", "/vectors", body).status == 400)
            }
            let batch = #"{"vectors":[{"id":1,"vector":[1,2]},{"id":2,"vector":[1,2,3]}]}"#
            #expect(try await server.call("POST", "/vectors/batch", batch).status == 400)
            #expect(try await server.call("GET", "/stats").json()["collections"] == 0)
        }
    }

    @Test func aWrongMethodIsToldTheRightOnes() async throws {
        try await TestServer.with { (server) async throws in
            #expect(try await server.call("POST", "/health", "").headers["allow"] == "GET, HEAD")
            #expect(try await server.call("GET", "/vectors").headers["allow"] == "POST")
            #expect(try await server.call("PUT", "/vectors/search", "").headers["allow"] == "GET, HEAD, POST, DELETE")
            #expect(try await server.call("POST", "/collections/x", "").headers["allow"] == "GET, HEAD, PUT, DELETE")
        }
    }

    @Test func anIdempotencyKeyHasItsBounds() async throws {
        try await TestServer.with { (server) async throws in
            let body = #"{"id":1,"vector":[1,2]}"#
            let long = String(repeating: "k", count: 300)
            #expect(try await server.call("POST", "/vectors", body, headers: ["Idempotency-Key": long]).status == 400)
            #expect(try await server.call("POST", "/vectors", body, headers: ["Idempotency-Key": "k1"]).status == 200)
            #expect(try await server.call("POST", "/vectors", body, headers: ["Idempotency-Key": "k1"]).status == 200)
        }
    }

    @Test func sizesAreBounded() async throws {
        try await TestServer.with(configure: {
            $0.connections.bodyBytesMax = 100_000
            $0.limits.maxBatchSize = 3
            $0.limits.maxPayloadBytes = 1_000
        }) { (server) async throws in
            let point = #"{"id":1,"vector":[1,2]}"#
            let four = [point, point, point, point].joined(separator: ",")
            let batch = try await server.call("POST", "/vectors/batch", #"{"vectors":[\#(four)]}"#)
            #expect(batch.status == 400)
            #expect(batch.errorMessage?.contains("3") == true)
            let heavy = #"{"id":1,"vector":[1,2],"payload":{"t":"\#(String(repeating: "x", count: 2_000))"}}"#
            let payload = try await server.call("POST", "/vectors", heavy)
            #expect(payload.status == 413 || payload.status == 400, "\(payload.text)")
            #expect(payload.errorMessage?.contains("1000") == true)
            let body = try await server.call("POST", "/vectors", String(repeating: " ", count: 100_001))
            #expect(body.status == 413)
            #expect(body.errorCode == "too_large")
            #expect(try await server.call("GET", "/stats").json()["points"] == 0)
        }
    }
}
