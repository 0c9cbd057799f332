import GrapeClient
import GrapeModel
import Testing

@Suite struct FailoverTests {
    private static let written = FakeNode.Reaction.answer(200, #"{"id":"a","status":"ok","shard":1}"#)
    private static let nothingFound = FakeNode.Reaction.answer(200, #"{"results":[],"took_ms":0.1}"#)
    private static let point = ClusterClient.Point(id: "a", vector: [1, 2])

    private static func error(_ code: String) -> String { #"{"error":{"code":"\#(code)","message":"because"}}"# }

    private static var hasty: ClusterClient.Options {
        var options = ClusterClient.Options()
        options.timeout = .seconds(5)
        options.attemptTimeout = .milliseconds(300)
        options.healthInterval = .milliseconds(20)
        return options
    }

    /// Calls with a client of two nodes, the first of which gets the first call.
    private func with(
        _ first: FakeNode, _ second: FakeNode, _ options: ClusterClient.Options = hasty,
        _ body: (ClusterClient) async throws -> Void
    ) async throws {
        let client = try ClusterClient(endpoints: [first.url, second.url], options: options)
        try await body(client)
        await client.close()
        await first.stop()
        await second.stop()
    }

    @Test(arguments: [
        FakeNode.Reaction.answer(503, error("unavailable"), retryAfter: 1),
        .answer(504, error("outcome_unknown")), .answer(429, error("overloaded"), retryAfter: 1),
        .answer(502, "<html>"),
        .breakOff, .hang, .hangInTheBody,
    ])
    func aWriteThatFailsOnOneNodeIsRepeatedOnAnotherUnderItsKey(_ reaction: FakeNode.Reaction) async throws {
        let (first, second) = (try await FakeNode.start(reaction), try await FakeNode.start(Self.written))
        try await with(first, second) { (client) async throws in
            try await client.upsertPoint(Self.point)
            try #require(first.requests.count == 1 && second.requests.count == 1)
            #expect(first.requests[0].key == second.requests[0].key && first.requests[0].key?.isEmpty == false)
            #expect(first.requests[0].body == #"{"id":"a","vector":[1.0,2.0]}"#)
            try await client.upsertPoint(Self.point)
            #expect(second.requests.last?.key != second.requests[0].key)
        }
    }

    @Test func aNodeThatIsGoneIsPassedOver() async throws {
        let (first, second) = (try await FakeNode.start(.hang), try await FakeNode.start(Self.nothingFound))
        await first.stop()
        try await with(first, second) { (client) async throws in
            for _ in 0..<10 { #expect(try await client.search([1, 2]).isEmpty) }
            #expect(second.requests.count == 10)
        }
    }

    @Test func aNodeThatSaysItIsIllGetsNoCallsUntilItIsWell() async throws {
        let (first, second) = (try await FakeNode.start(Self.nothingFound), try await FakeNode.start(Self.nothingFound))
        first.setHealth(503)
        try await with(first, second) { (client) async throws in
            _ = try await client.search([1])
            let asked = first.healthRequests
            try await poll { first.healthRequests > asked + 1 }
            let before = first.requests.count
            for _ in 0..<10 { _ = try await client.search([1]) }
            #expect(first.requests.count == before)
            first.setHealth(200)
            try await poll {
                _ = try await client.search([1])
                return first.requests.count > before
            }
        }
    }

    @Test(arguments: [("dimension_mismatch", 400), ("unauthorized", 401), ("disk_full", 507), ("conflict", 409)])
    func anErrorThatAnyNodeWouldTellIsNotRepeated(code: String, status: Int) async throws {
        let reaction = FakeNode.Reaction.answer(status, Self.error(code))
        let (first, second) = (try await FakeNode.start(reaction), try await FakeNode.start(reaction))
        try await with(first, second) { (client) async throws in
            let error = await #expect(throws: GrapeError.self) { try await client.upsertPoint(Self.point) }
            #expect(error?.code.rawValue == code && error?.message == "because")
            #expect(first.requests.count + second.requests.count == 1)
        }
    }

    @Test func aCallWithoutAKeyIsMadeOnceWhereItsFateIsUnknown() async throws {
        let (first, second) = (try await FakeNode.start(.breakOff), try await FakeNode.start(.breakOff))
        try await with(first, second) { (client) async throws in
            let error = await #expect(throws: GrapeError.self) { try await client.createCollection("c", dimension: 2) }
            #expect(error?.code == .outcomeUnknown)
            #expect(first.requests.count + second.requests.count == 1)
        }
    }

    @Test func afterItsDeadlineAWriteIsUnknownAndARefusedOneIsNot() async throws {
        var options = Self.hasty
        options.timeout = .seconds(2)
        let cases: [(FakeNode.Reaction, GrapeError.Code)] = [
            (.hang, .outcomeUnknown), (.answer(503, Self.error("unavailable")), .unavailable),
            (.answer(429, Self.error("memory_limit")), .memoryLimit),
        ]
        for (reaction, code) in cases {
            let (first, second) = (try await FakeNode.start(reaction), try await FakeNode.start(reaction))
            try await with(first, second, options) { (client) async throws in
                let start = ContinuousClock.now
                let error = await #expect(throws: GrapeError.self) { try await client.upsertPoint(Self.point) }
                #expect(error?.code == code)
                #expect(ContinuousClock.now - start < .seconds(10))
            }
        }
    }

    @Test func aBatchWhoseFateIsUnknownTellsHowFarItCame() async throws {
        var options = Self.hasty
        options.timeout = .milliseconds(200)
        let text = #"{"error":{"code":"outcome_unknown","message":"m","written":3,"not_written":1,"unknown":2}}"#
        let (first, second) = (
            try await FakeNode.start(.answer(504, text)), try await FakeNode.start(.answer(504, text))
        )
        try await with(first, second, options) { (client) async throws in
            let error = await #expect(throws: GrapeError.self) { try await client.upsertPoints([Self.point]) }
            #expect(error?.writeOutcome?.written == 3 && error?.writeOutcome?.unknown == 2)
        }
    }

    @Test func answersThatAreNoneAreErrors() async throws {
        for text in ["", "{", "[]", #"{"results":7}"#, #"{"upserted":"x"}"#] {
            let (first, second) = (
                try await FakeNode.start(.answer(200, text)), try await FakeNode.start(.answer(200, text))
            )
            try await with(first, second) { (client) async throws in
                await #expect(throws: GrapeError.self) { try await client.upsertPoints([Self.point]) }
                await #expect(throws: GrapeError.self) { try await client.searchBatch([.init([1])]) }
            }
        }
    }

    @Test func endpointsAreChecked() throws {
        for text in ["", "http://", "ftp://a", "http://a:0", "http://a:b", "http://a/b", "a b", "http://:80"] {
            #expect(throws: GrapeError.self, "\(text)") { try ClusterClient(endpoints: [text]) }
        }
        #expect(throws: GrapeError.self) { try ClusterClient(endpoints: []) }
        for text in ["a:1", "http://a", "https://a:6333/", "http://[::1]:6333"] {
            _ = try ClusterClient(endpoints: [text])
        }
    }

    private func poll(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<500 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it never came to that")
    }
}
