import GrapeModel
import Testing

@Suite(.serialized) struct RoundTripTests {
    @Test func aPointComesBackAsItWasWritten() async throws {
        try await TestServer.with { (server) async throws in
            let written = try await server.call(
                "POST", "/vectors",
                #"{"id":"doc-1","vector":[0.1,0.25,-3],"payload":{"title":"集群","n":9007199254740993}}"#)
            #expect(written.status == 200)
            #expect(try written.json()["id"] == "doc-1")
            #expect(try written.json()["status"] == "ok")
            #expect(try written.json()["shard"]?.intValue.map { (0..<16).contains($0) } == true)

            let read = try await server.call("GET", "/vectors/doc-1")
            #expect(read.status == 200)
            #expect(
                read.text == #"{"id":"doc-1","vector":[0.1,0.25,-3.0],"payload":{"title":"集群","n":9007199254740993}}"#)

            let deleted = try await server.call("DELETE", "/vectors/doc-1")
            #expect(deleted.text == #"{"id":"doc-1","deleted":true}"#)
            #expect(try await server.call("DELETE", "/vectors/doc-1").text == #"{"id":"doc-1","deleted":false}"#)
            #expect(try await server.call("GET", "/vectors/doc-1").status == 404)
        }
    }

    @Test func idsComeBackInTheFormInWhichTheyWereWritten() async throws {
        try await TestServer.with { (server) async throws in
            for (written, path) in [
                ("7", "7"), ("18446744073709551615", "18446744073709551615"), (#""007""#, "007"),
                (#""A8098C1A-F86E-11DA-BD1A-00112444BE1E""#, "a8098c1a-f86e-11da-bd1a-00112444be1e"),
                (#""a/b c""#, "a%2Fb%20c"), (#""葡萄""#, "%E8%91%A1%E8%90%84"), (#""1+1""#, "1+1"),
                (#""batch""#, "batch"),
                (#""search""#, "search"), (#""..""#, ".."), (#""100%""#, "100%25"),
            ] {
                let write = try await server.call("POST", "/vectors", #"{"id":\#(written),"vector":[1,2]}"#)
                #expect(write.text.hasPrefix(#"{"id":\#(written),"status":"ok""#), "\(write.text)")
                let read = try await server.call("GET", "/vectors/\(path)")
                #expect(read.text == #"{"id":\#(written),"vector":[1.0,2.0],"payload":{}}"#)
            }
        }
    }

    @Test func aSearchFindsTheNearestFirst() async throws {
        try await TestServer.with { (server) async throws in
            let batch = #"""
                {"vectors":[{"id":1,"vector":[1,0],"payload":{"c":"x"}},{"id":2,"vector":[1,0.5],"payload":{"c":"y"}},
                {"id":3,"vector":[0,1]}, {"id":1,"vector":[1,0.001],"payload":{"c":"z"}}]}
                """#
            let written = try await server.call("POST", "/vectors/batch", batch)
            #expect(written.status == 200)
            #expect(written.text == #"{"upserted":3}"#)

            let found = try await server.call("POST", "/vectors/search", #"{"vector":[1,0],"limit":2}"#)
            #expect(found.status == 200)
            let results = try #require(try found.json()["results"]?.arrayValue)
            #expect(results.map { $0["id"] } == [1, 2])
            #expect(results.map { $0["payload"] } == [["c": "z"], ["c": "y"]])
            #expect(results.allSatisfy { $0["vector"] == nil && $0["score"]?.doubleValue != nil })
            #expect(try found.json()["took_ms"]?.doubleValue != nil)

            let bare = try await server.call(
                "POST", "/vectors/search", #"{"vector":[0,1],"limit":1,"with_payload":false,"with_vector":true}"#)
            let first = try #require(try bare.json()["results"]?[0])
            #expect(first["payload"] == nil)
            #expect(first["vector"] == [0.0, 1.0])

            let both = try await server.call(
                "POST", "/vectors/search/batch",
                #"{"searches":[{"vector":[1,0],"limit":1},{"vector":[0,1],"limit":1}]}"#)
            let answers = try #require(try both.json()["results"]?.arrayValue)
            #expect(answers.map { $0[0]?["id"] } == [1, 3])
        }
    }

    @Test func collectionsAreMadeFilledAndDroppedByName() async throws {
        try await TestServer.with { (server) async throws in
            let made = try await server.call(
                "PUT", "/collections/books", #"{"vectors":{"size":2,"distance":"Euclid","hnsw_config":{"m":8}}}"#)
            #expect(made.status == 200)
            #expect(try made.json()["result"] == true)
            #expect(try made.json()["status"] == "ok")
            #expect(
                try await server.call("PUT", "/collections/books", #"{"vectors":{"size":2,"distance":"Dot"}}"#).status
                    == 409)
            let written = try await server.call("POST", "/collections/books/vectors", #"{"id":"a","vector":[3,4]}"#)
            #expect(written.status == 200)
            let found = try await server.call("POST", "/collections/books/vectors/search", #"{"vector":[0,0]}"#)
            #expect(try found.json()["results"]?[0]?["score"] == 5.0)
            let info = try await server.call("GET", "/collections/books").json()
            #expect(info["result"]?["points_count"] == 1)
            #expect(info["result"]?["config"]?["params"]?["vectors"]?["distance"] == "Euclid")
            #expect(info["result"]?["config"]?["params"]?["vectors"]?["hnsw_config"]?["m"] == 8)
            #expect(
                try await server.call("GET", "/collections").json()["result"]?["collections"] == [["name": "books"]])
            #expect(try await server.call("GET", "/collections/books/exists").json()["result"] == ["exists": true])
            #expect(try await server.call("DELETE", "/collections/books").json()["result"] == true)
            #expect(try await server.call("GET", "/collections/books/exists").json()["result"] == ["exists": false])
            #expect(try await server.call("DELETE", "/collections/books").json()["result"] == false)
            #expect(try await server.call("GET", "/collections/books").status == 404)
        }
    }

    @Test func namedVectorsAreWrittenReadAndSearchedByName() async throws {
        try await TestServer.with { (server) async throws in
            let made = try await server.call(
                "PUT", "/collections/n",
                #"{"vectors":{"a":{"size":2,"distance":"Dot"},"b":{"size":3,"distance":"Manhattan"}}}"#)
            #expect(made.status == 200)
            let written = try await server.call(
                "POST", "/collections/n/vectors", #"{"id":1,"vector":{"a":[1,2],"b":[1,2,3]}}"#)
            #expect(written.status == 200, "\(written.text)")
            let read = try await server.call("GET", "/collections/n/vectors/1").json()
            #expect(read["vector"] == ["a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]])
            let found = try await server.call(
                "POST", "/collections/n/vectors/search", #"{"vector":[1,2,4],"using":"b"}"#)
            #expect(try found.json()["results"]?[0]?["score"] == 1.0)
            #expect(try await server.call("POST", "/collections/n/vectors/search", #"{"vector":[1,2]}"#).status == 400)
        }
    }

    @Test func theClusterCallsAnswerForAClusterOfOne() async throws {
        try await TestServer.with { (server) async throws in
            let info = try await server.call("GET", "/cluster/info").json()
            #expect(info["status"] == "healthy")
            #expect(info["leader"] == "node-1")
            #expect(info["nodes"]?.arrayValue?.count == 1)
            let shards = try await server.call("GET", "/cluster/shards").json()
            #expect(shards["shards"]?.arrayValue?.count == 16)
            #expect(shards["shards"]?[3]?["health"] == "healthy")
            let node = try #require(try await server.call("GET", "/cluster/nodes").json()["nodes"]?[0])
            let address = try #require(node["address"]?.stringValue)
            for (path, body, status) in [
                ("/cluster/join", #"{"node_id":"node-1","address":"\#(address)"}"#, 200),
                ("/cluster/join", #"{"node_id":"node-1","address":"elsewhere:1"}"#, 409),
                ("/cluster/join", #"{"node_id":"node-2","address":"elsewhere:1"}"#, 409),
                ("/cluster/join", #"{"node_id":"node-2"}"#, 400), ("/cluster/join", "", 400),
                ("/cluster/leave", #"{"node_id":"node-1"}"#, 409), ("/cluster/leave", #"{"node_id":"node-9"}"#, 404),
                ("/cluster/rebalance", "", 202), ("/cluster/snapshot", "", 200),
                ("/cluster/snapshot", #"{"keep":0}"#, 400),
                ("/cluster/consistency/repair", "", 200),
            ] {
                let answer = try await server.call("POST", path, body)
                #expect(answer.status == status, "\(path) \(body): \(answer.text)")
            }
            for path in ["/cluster/migration/status", "/cluster/rebalance/status"] {
                #expect(try await server.call("GET", path).json()["state"] == "idle")
            }
            #expect(try await server.call("GET", "/cluster/snapshot/x").status == 404)
            #expect(try await server.call("GET", "/cluster/backup/verify").json()["valid"] == true)
        }
    }

    @Test("a node alone checks its rows, and says that there is nothing to repair them from")
    func consistencyOfOne() async throws {
        try await TestServer.with { (server) async throws in
            #expect(try await server.call("POST", "/vectors", #"{"id":7,"vector":[1,2,3]}"#).status == 200)
            for path in ["/cluster/consistency/check", "/cluster/consistency/check?deep=true"] {
                let check = try await server.call("GET", path).json()
                #expect(check["consistent"] == true, "\(path): \(check)")
                #expect(check["shards"]?.arrayValue?.count == 16)
                let digests = check["shards"]?[0]?["digests"]?["node-1"]?.stringValue
                #expect(digests?.count == 16)
            }
            let deep = try await server.call("GET", "/cluster/consistency/check?deep=true").json()
            let id = try #require(deep["check_id"]?.stringValue)
            #expect(deep["shards"]?[0]?["disk"]?["node-1"] == deep["shards"]?[0]?["digests"]?["node-1"])
            #expect(
                try await server.call("GET", "/cluster/consistency/check?id=\(id)").json()["check_id"]?.stringValue
                    == id)
            #expect(try await server.call("GET", "/cluster/consistency/check?id=1").status == 404)
            #expect(try await server.call("GET", "/cluster/consistency/check?deep=perhaps").status == 400)
            let repair = try await server.call("POST", "/cluster/consistency/repair").json()
            #expect(repair["repaired"]?.arrayValue?.isEmpty == true)
            #expect(repair["message"]?.stringValue?.contains("alone") == true)
        }
    }

    @Test func healthAndStatisticsAreComplete() async throws {
        try await TestServer.with { (server) async throws in
            #expect(try await server.call("GET", "/health").json()["status"] == "ok")
            #expect(try await server.call("GET", "/livez").text == "ok\n")
            #expect(try await server.call("GET", "/readyz").text == "ok\n")
            #expect(try await server.call("HEAD", "/health").status == 200)
            #expect(try await server.call("GET", "/").json()["version"]?.stringValue != nil)
            let detailed = try await server.call("GET", "/health/detailed").json()
            for key in ["status", "timestamp", "uptime_seconds", "version", "components", "metrics"] {
                #expect(detailed[key] != nil, "\(key)")
            }
            let statistics = try await server.call("GET", "/stats").json()
            for key in ["points", "indexed_points", "collections", "shards", "cache_hit_ratio"] {
                #expect(statistics[key] != nil, "\(key)")
            }
            #expect(statistics["memory"]?["total_bytes"] != nil)
            #expect(statistics["disk"]?["free_bytes"] != nil)
        }
    }
}
