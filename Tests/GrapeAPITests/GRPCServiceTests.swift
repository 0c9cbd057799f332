import GRPCCore
import GrapeModel
import GrapeProto
import Testing

import GrapeAPI

@Suite(.serialized) struct GRPCServiceTests {
    @Test func pointsAreWrittenReadFoundAndDeleted() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                let first = try await grape.upsert(
                    .with { $0.point = Grape_V1_Point("7", [1, 0], payload: #"{"n":9007199254740993}"#) })
                #expect(first.shard < 16)
                let batch = try await grape.upsertBatch(
                    .with { $0.points = (8..<20).map { Grape_V1_Point("\($0)", [1, Float($0)]) } })
                #expect(batch.upserted == 12)

                let point = try await grape.get(.with { $0.id.number = 7 }).point
                #expect(point.vector == [1, 0])
                #expect(String(decoding: point.payload, as: UTF8.self) == #"{"n":9007199254740993}"#)
                let rest = try await server.call("GET", "/vectors/8").json()
                #expect(rest["vector"] == [1.0, 8.0])

                let filter = #"{"must":[{"key":"n","match":{"value":9007199254740993}}]}"#
                let found = try await grape.search(
                    .with {
                        $0.vector = [0, 1]
                        $0.filter.append(contentsOf: filter.utf8)
                    })
                #expect(found.results.map(\.id.text) == ["7"])
                #expect(!found.hasStalenessMs)
                let batched = try await grape.searchBatch(
                    .with { $0.searches = [.nearest([1, 0], limit: 1), .nearest([0, 1], limit: 2)] })
                #expect(batched.answers.map { $0.results.map(\.id.text) } == [["7"], ["19", "18"]])

                let deleted = try await grape.delete(.with { $0.ids = [.number(7), .number(70)] })
                #expect(deleted.deleted == [true, false])
                #expect(await failure { try await grape.get(.with { $0.id.number = 7 }) }?.code == .notFound)
            }
        }
    }

    @Test func aSearchShowsWhatItIsAskedFor() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                _ = try await grape.upsert(.with { $0.point = Grape_V1_Point("a", [3, 4], payload: #"{"k":1}"#) })
                let found = try await grape.search(
                    .with {
                        $0.vector = [3, 4]
                        $0.withPayload = false
                        $0.withVector = true
                        $0.consistency = .eventual
                    })
                #expect(found.results.map(\.vector) == [[3, 4]] && found.results[0].payload.isEmpty)
                #expect(found.hasStalenessMs)
                let none = try await grape.search(
                    .with {
                        $0.vector = [-3, -4]
                        $0.scoreThreshold = 0.5
                    })
                #expect(none.results.isEmpty)
            }
        }
    }

    @Test func theUnnamedCollectionIsEmptyBeforeItsFirstWrite() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                #expect(try await grape.search(.nearest([1], limit: 3)).results.isEmpty)
                #expect(try await grape.delete(.with { $0.ids = [.number(1)] }).deleted == [false])
                let missing = await failure {
                    try await grape.search(
                        .with {
                            $0.collection = "books"
                            $0.vector = [1]
                        })
                }
                #expect(missing?.code == .notFound && missing?.word == "collection_not_found")
            }
        }
    }

    @Test func aWriteRepeatedUnderItsKeyIsAppliedOnce() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                let write = Grape_V1_UpsertRequest.with {
                    $0.point = Grape_V1_Point("a", [1, 0])
                    $0.idempotencyKey = "key"
                }
                _ = try await grape.upsert(write)
                _ = try await grape.upsert(.with { $0.point = Grape_V1_Point("a", [0, 1]) })
                _ = try await grape.upsert(write)
                #expect(try await grape.get(.with { $0.id.text = "a" }).point.vector == [0, 1])
            }
        }
    }

    @Test func badInputIsRefusedWithItsWord() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                _ = try await grape.upsert(.with { $0.point = Grape_V1_Point("a", [1, 0]) })
                let points: [(Grape_V1_Point, String)] = [
                    (Grape_V1_Point("b", [1]), "dimension_mismatch"), (Grape_V1_Point("b", []), "invalid_vector"),
                    (Grape_V1_Point("b", [.nan, 1]), "invalid_vector"),
                    (Grape_V1_Point("", [1, 0]), "invalid_request"),
                    (Grape_V1_Point("b", [0, 0]), "invalid_vector"),
                    (Grape_V1_Point("b", [1, 0], payload: "[1]"), "invalid_request"),
                    (Grape_V1_Point("b", [1, 0], payload: #"{"a":"#), "invalid_request"),
                    (Grape_V1_Point(), "invalid_request"),
                ]
                for (point, word) in points {
                    let found = await failure { try await grape.upsert(.with { $0.point = point }) }
                    #expect(
                        found?.code == .invalidArgument && found?.word == word, "\(point) \(String(describing: found))")
                }
                let searches: [(Grape_V1_SearchRequest) -> Grape_V1_SearchRequest] = [
                    { $0.changed { $0.limit = 0 } }, { $0.changed { $0.limit = .max } }, { $0.changed { $0.ef = 0 } },
                    { $0.changed { $0.vector = [] } }, { $0.changed { $0.filter.append(contentsOf: "{".utf8) } },
                    { $0.changed { $0.consistency = .UNRECOGNIZED(7) } }, { $0.changed { $0.using = "none" } },
                ]
                for (place, change) in searches.enumerated() {
                    let found = await failure { try await grape.search(change(.nearest([1, 0], limit: 1))) }
                    #expect(found?.code == .invalidArgument, "\(place) \(String(describing: found))")
                }
                let empty = await failure { try await grape.upsertBatch(Grape_V1_UpsertBatchRequest()) }
                #expect(empty?.word == "invalid_request")
                #expect(try await grape.get(.with { $0.id.text = "a" }).point.vector == [1, 0])
            }
        }
    }

    @Test func clusterInfoAnswersForAClusterOfOne() async throws {
        try await TestServer.with { server in
            let info = try await GRPCConnection.with(server) { (connection) async throws in
                try await connection.grape.clusterInfo(Grape_V1_ClusterInfoRequest())
            }
            #expect(info.shardCount == 16 && info.nodes.count == 1 && info.status == "healthy")
            #expect(info.nodes[0].nodeID == info.nodeID && info.leader == info.nodeID)
        }
    }

    @Test func callsNeedTheKeysThatRESTNeeds() async throws {
        try await TestServer.with(configure: {
            $0.auth.enabled = true
            $0.auth.apiKeys = ["full-key"]
            $0.auth.readonlyKeys = ["read-key"]
        }) { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                let write = Grape_V1_UpsertRequest.with { $0.point = Grape_V1_Point("a", [1, 0]) }
                let search = Grape_V1_SearchRequest.nearest([1, 0], limit: 1)
                #expect(await failure { try await grape.search(search) }?.code == .unauthenticated)
                let wrong = await failure { try await grape.search(search, metadata: ["api-key": "full-ke"]) }
                #expect(wrong?.code == .unauthenticated && wrong?.word == "unauthorized")
                let readonly = await failure { try await grape.upsert(write, metadata: ["api-key": "read-key"]) }
                #expect(readonly?.code == .permissionDenied)
                _ = try await grape.upsert(write, metadata: ["authorization": "Bearer full-key"])
                let found = try await grape.search(search, metadata: ["api-key": "read-key"])
                #expect(found.results.count == 1)
                #expect(try await connection.health.check(Grpc_Health_V1_HealthCheckRequest()).status == .serving)
            }
        }
    }

    @Test func callsAreCountedUnderTheirProtocol() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                _ = try await connection.grape.upsert(.with { $0.point = Grape_V1_Point("a", [1, 0]) })
                _ = await failure { try await connection.grape.get(.with { $0.id.text = "b" }) }
            }
            let metrics = try await RawConnection.open(port: server.metricsPort)
            try await metrics.send(Array("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
            let text = try await metrics.response().text
            for labels in [#"operation="upsert",code="200""#, #"operation="get",code="404""#] {
                #expect(text.contains(#"_count{protocol="grpc",\#(labels)} 1"#), "\(labels)")
            }
        }
    }
}

extension Grape_V1_PointId {
    static func number(_ number: UInt64) -> Self { .with { $0.number = number } }
}

extension Grape_V1_SearchRequest {
    static func nearest(_ vector: [Float], limit: UInt32) -> Self {
        .with {
            $0.vector = vector
            $0.limit = limit
        }
    }

    func changed(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }
}
