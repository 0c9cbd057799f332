import GrapeClient
import GrapeModel
import Testing

@Suite struct FailoverTests {
    private static let written = FakeNode.Reaction.answer(200, #"{"id":"a","status":"ok","shard":1}"#)
    private static let nothingFound = FakeNode.Reaction.answer(200, #"{"results":[],"took_ms":0.1}"#)
    private static let point = ClusterClient.Point(id: "a", vector: [1, 2])

    private static func error(_ code: String) -> String { #"{"error":{"code":"\#(code)","message":"because"}}"# }

    /// Nothing runs out but what a test lets run out: a busy machine stands still for a second at a time.
    private static var patient: ClusterClient.Options {
        var options = ClusterClient.Options()
        options.timeout = .seconds(300)
        options.attemptTimeout = .seconds(120)
        options.healthInterval = .milliseconds(20)
        options.healthTimeout = .seconds(120)
        return options
    }

    /// Calls with a client of two nodes, the first of which gets the first call.
    private func with(
        _ first: FakeNode, _ second: FakeNode, _ options: ClusterClient.Options = patient,
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
        .answer(502, "<html>"), .breakOff,
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

    @Test(arguments: [FakeNode.Reaction.hang, .hangInTheBody])
    func aWriteThatHangsOnOneNodeIsRepeatedOnAnotherUnderItsKey(_ reaction: FakeNode.Reaction) async throws {
        let (first, second) = (try await FakeNode.start(reaction), try await FakeNode.start(Self.written))
        var options = Self.patient
        options.attemptTimeout = .seconds(1)
        try await with(first, second, options) { (client) async throws in
            try await client.upsertPoint(Self.point)
            // Where the second node is late too, both are asked again.
            #expect(!first.requests.isEmpty && !second.requests.isEmpty)
            #expect(Set((first.requests + second.requests).map(\.key)).count == 1)
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
            // Health is asked for as long as calls are made.
            try await poll {
                _ = try await client.search([1])
                return first.healthRequests > asked + 1
            }
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

    @Test func afterItsDeadlineAWriteIsUnknown() async throws {
        var options = Self.patient
        options.timeout = .seconds(1)
        let (first, second) = (try await FakeNode.start(.hang), try await FakeNode.start(.hang))
        try await with(first, second, options) { (client) async throws in
            let start = ContinuousClock.now
            let error = await #expect(throws: GrapeError.self) { try await client.upsertPoint(Self.point) }
            #expect(error?.code == .outcomeUnknown)
            #expect(ContinuousClock.now - start < .seconds(60))
        }
    }

    @Test(arguments: [(503, GrapeError.Code.unavailable), (429, .memoryLimit)])
    func aRefusedWriteIsNotUnknownWhereWaitingOutlastsItsDeadline(status: Int, code: GrapeError.Code) async throws {
        let reaction = FakeNode.Reaction.answer(status, Self.error(code.rawValue), retryAfter: 600)
        let (first, second) = (try await FakeNode.start(reaction), try await FakeNode.start(reaction))
        try await with(first, second) { (client) async throws in
            let error = await #expect(throws: GrapeError.self) { try await client.upsertPoint(Self.point) }
            #expect(error?.code == code)
            #expect(first.requests.count == 1 && second.requests.count == 1)
        }
    }

    @Test func aBatchWhoseFateIsUnknownTellsHowFarItCame() async throws {
        let text = #"{"error":{"code":"outcome_unknown","message":"m","written":3,"not_written":1,"unknown":2}}"#
        let reaction = FakeNode.Reaction.answer(504, text)
        let (first, second) = (try await FakeNode.start(reaction), try await FakeNode.start(reaction))
        var options = Self.patient
        options.timeout = .seconds(3)
        try await with(first, second, options) { (client) async throws in
            var error: GrapeError?
            for _ in 0..<20 {
                error = await #expect(throws: GrapeError.self) { try await client.upsertPoints([Self.point]) }
                // Again where the last attempt got no answer: then nobody told.
                guard error?.message.contains("did not answer in time") == true else { break }
            }
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
        for _ in 0..<6_000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it never came to that")
    }
}
