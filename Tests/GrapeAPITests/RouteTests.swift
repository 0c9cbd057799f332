import GrapeAPI
import GrapeModel
import NIOCore
import Testing

@Suite struct RouteTests {
    @Test func everyCallOfTheAPIHasItsRoute() throws {
        let calls: [(String, String, Route)] = [
            ("GET", "/", .welcome), ("GET", "/health", .health), ("HEAD", "/health", .health),
            ("GET", "/health/detailed", .healthDetailed), ("POST", "/vectors", .upsert(into: "default")),
            ("POST", "/vectors/batch", .upsertBatch(into: "default")), ("GET", "/vectors/a", .point(id: "a", in: "default")),
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
            ("POST", "/cluster/consistency/repair", .repairConsistency), ("GET", "/cluster/snapshot/s1", .snapshotState),
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

/// A dialogue of what happens to a connection and what it does.
@Suite struct ConnectionStateTests {
    private let limits = ConnectionLimits()
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func requestsFollowOneAnother() {
        var state = ConnectionState(limits: limits, now: start)
        for request in 1...3 {
            state.bytesArrived(now: start)
            #expect(state.phase == .readingHead)
            state.headArrived(keepAlive: true, now: start)
            #expect(state.request == request)
            state.endArrived(now: start)
            #expect(state.holdsParts)
            state.answer(closes: false, now: start)
            #expect(state.answerWritten(now: start) == .nextRequest)
            #expect(state.phase == .idle)
        }
    }

    @Test func trickledBytesDoNotMoveTheDeadline() {
        var state = ConnectionState(limits: limits, now: start)
        state.bytesArrived(now: start)
        let deadline = state.deadline
        state.bytesArrived(now: start + .seconds(20))
        state.headArrived(keepAlive: true, now: start + .seconds(25))
        #expect(state.deadline == deadline)
        #expect(state.deadlinePassed(now: start + .seconds(29)) == .wait)
        #expect(state.deadlinePassed(now: start + .seconds(30)) == .refuseSlowRequest)
    }

    @Test func aCallThatIsGivenUpEndsTheConnection() {
        var state = ConnectionState(limits: limits, now: start)
        state.headArrived(keepAlive: true, now: start)
        state.endArrived(now: start)
        #expect(state.deadlinePassed(now: start + .seconds(30)) == .giveUpCall)
        state.answer(closes: true, now: start + .seconds(30))
        #expect(state.answerWritten(now: start + .seconds(30)) == .linger)
        #expect(state.deadlinePassed(now: start + .seconds(32)) == .close)
        #expect(state.phase == .closed)
    }

    @Test func aStopEndsIdleConnectionsAtOnceAndBusyOnesAfterTheirAnswer() {
        var idle = ConnectionState(limits: limits, now: start)
        #expect(idle.stop())
        var busy = ConnectionState(limits: limits, now: start)
        busy.headArrived(keepAlive: true, now: start)
        busy.endArrived(now: start)
        #expect(!busy.stop())
        busy.answer(closes: false, now: start)
        #expect(busy.endsAfterAnswer)
        #expect(busy.answerWritten(now: start) == .linger)
    }

    @Test func aHalfClosedClientGetsItsAnswerFirst() {
        var state = ConnectionState(limits: limits, now: start)
        state.headArrived(keepAlive: true, now: start)
        state.endArrived(now: start)
        #expect(!state.inputClosed())
        state.answer(closes: false, now: start)
        #expect(state.answerWritten(now: start) == .close)
        var idle = ConnectionState(limits: limits, now: start)
        #expect(idle.inputClosed())
    }
}
