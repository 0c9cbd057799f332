import GrapeAPI
import GrapeModel
import Testing

@Suite struct RouteTests {
    @Test func everyCallOfTheAPIHasItsRoute() throws {
        let calls: [(String, String, Route)] = [
            ("GET", "/", .welcome), ("GET", "/health", .health), ("HEAD", "/health", .health),
            ("GET", "/health/detailed", .healthDetailed), ("POST", "/vectors", .upsert(into: "default")),
            ("POST", "/vectors/batch", .upsertBatch(into: "default")),
            ("GET", "/vectors/a", .point(id: "a", in: "default")),
            ("GET", "/vectors/batch", .point(id: "batch", in: "default")),
            ("DELETE", "/vectors/search", .deletePoint(id: "search", from: "default")),
            ("POST", "/vectors/search", .search(in: "default")),
            ("POST", "/vectors/search/batch", .searchBatch(in: "default")),
            ("GET", "/collections/c/vectors/a%2Fb?consistency=eventual", .point(id: "a/b", in: "c")),
            ("POST", "/collections/c%20d/vectors/search", .search(in: "c d")),
            ("GET", "/collections/vectors", .collection("vectors")),
            ("GET", "/collections/c/exists", .collectionExists("c")),
            ("GET", "http://host:1/vectors/a", .point(id: "a", in: "default")),
            ("GET", "/vectors/a%2fb%E8%91%A1", .point(id: "a/b葡", in: "default")),
            ("POST", "/cluster/consistency/repair", .repairConsistency),
            ("GET", "/cluster/snapshot/s1", .snapshotState("s1")),
            ("POST", "/cluster/restore/7/points", .restorePoints("7")),
            ("DELETE", "/cluster/restore/7", .discardRestore("7")),
            ("POST", "/cluster/restore/publish", .publishRestore),
        ]
        for (method, target, route) in calls {
            let resource = try #require(Resource(try RequestTarget(target).segments), "\(target)")
            #expect(Route(.init(rawValue: method), resource) == route, "\(method) \(target)")
        }
    }

    @Test func everyErrorHasAStatus() {
        for code in GrapeError.Code.allCases {
            #expect((400...507).contains(code.httpStatus), "\(code)")
        }
    }
}
