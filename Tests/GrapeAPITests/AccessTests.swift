import Testing

@Suite(.serialized) struct AccessTests {
    private func withKeys(_ body: (TestServer) async throws -> Void) async throws {
        try await TestServer.with(configure: {
            $0.auth.enabled = true
            $0.auth.apiKeys = ["full-key", "second"]
            $0.auth.readonlyKeys = ["read-key"]
        }) { try await body($0) }
    }

    private let point = #"{"id":1,"vector":[1,2]}"#

    @Test func withoutAKeyOnlyTheOpenPathsAnswer() async throws {
        try await withKeys { (server) async throws in
            for path in ["/", "/health", "/livez", "/readyz"] {
                #expect(try await server.call("GET", path).status == 200, "\(path)")
            }
            for path in [
                "/stats", "/health/detailed", "/cluster/info", "/collections", "/vectors/1", "/nothing", "/vectors",
            ] {
                let answer = try await server.call("GET", path)
                #expect(answer.status == 401, "\(path)")
                #expect(answer.errorCode == "unauthorized")
                #expect(answer.headers["www-authenticate"] == "Bearer")
            }
            #expect(try await server.call("POST", "/vectors", point).status == 401)
            #expect(try await server.call("POST", "/vectors/search", "{}").status == 401)
        }
    }

    @Test func wrongKeysAreRefused() async throws {
        try await withKeys { (server) async throws in
            for key in ["", "full-ke", "full-keyy", "FULL-KEY", "read-key,full-key", "second\u{20}x", "\u{e9}"] {
                let answer = try await server.call("GET", "/stats", headers: ["api-key": key])
                #expect(answer.status == 401, "\(key)")
                #expect(!answer.text.contains("full-key"))
            }
            for header in ["full-key", "Basic full-key", "Bearer", "Bearerfull-key"] {
                #expect(
                    try await server.call("GET", "/stats", headers: ["Authorization": header]).status == 401,
                    "\(header)")
            }
        }
    }

    @Test func aFullKeyMayDoEverything() async throws {
        try await withKeys { (server) async throws in
            for headers in [
                ["api-key": "full-key"], ["Authorization": "Bearer second"], ["authorization": "bearer full-key"],
            ] {
                #expect(try await server.call("POST", "/vectors", point, headers: headers).status == 200)
                #expect(try await server.call("GET", "/vectors/1", headers: headers).status == 200)
            }
        }
    }

    @Test func aReadOnlyKeyReadsAndSearches() async throws {
        try await withKeys { (server) async throws in
            let full = ["api-key": "full-key"]
            let read = ["api-key": "read-key"]
            #expect(try await server.call("POST", "/vectors", point, headers: full).status == 200)
            #expect(try await server.call("POST", "/vectors/search", #"{"vector":[1,2]}"#, headers: read).status == 200)
            #expect(try await server.call("GET", "/vectors/1", headers: read).status == 200)
            for (method, path) in [
                ("POST", "/vectors"), ("POST", "/vectors/batch"), ("DELETE", "/vectors/1"), ("PUT", "/collections/x"),
                ("DELETE", "/collections/default"), ("POST", "/cluster/join"), ("POST", "/cluster/leave"),
                ("POST", "/cluster/rebalance"), ("POST", "/cluster/snapshot"), ("POST", "/cluster/consistency/repair"),
            ] {
                let answer = try await server.call(method, path, point, headers: read)
                #expect(answer.status == 403, "\(method) \(path)")
                #expect(answer.errorCode == "forbidden")
            }
            #expect(try await server.call("GET", "/vectors/1", headers: full).status == 200)
        }
    }
}
