import GrapeAPI
import NIOCore
import Testing

/// Clients that are slow, lie about lengths, or leave in the middle.
@Suite(.serialized) struct MisbehaviourTests {
    private let get = "GET /health HTTP/1.1\r\nHost: t\r\n\r\n"

    private func post(_ body: String, length: Int? = nil) -> String {
        "POST /vectors HTTP/1.1\r\nHost: t\r\nContent-Length: \(length ?? body.utf8.count)\r\n\r\n\(body)"
    }

    private let point = #"{"id":1,"vector":[1,2]}"#

    private func points(_ server: TestServer) async throws -> Int? {
        try await server.call("GET", "/stats").json()["points"]?.intValue.map { Int($0) }
    }

    private func impatient(_ body: (TestServer) async throws -> Void) async throws {
        try await TestServer.with(configure: {
            $0.connections.requestTimeout = .seconds(4)
            $0.connections.idleTimeout = .seconds(8)
            $0.connections.lingerTimeout = .seconds(4)
        }) { try await body($0) }
    }

    @Test func aHeadThatNeverEndsIsAnsweredWith408() async throws {
        try await impatient { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            try await connection.send("GET /health HTTP/1.1\r\nHost:")
            let answer = try await connection.response()
            #expect(answer.status == 408)
            #expect(answer.errorCode == "request_timeout")
            #expect(answer.headers["connection"] == "close")
            #expect(await connection.untilClosed() == "")
        }
    }

    @Test func aHeadThatTricklesIsAnsweredWith408() async throws {
        try await impatient { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            var trickled = 0
            for byte in Array("GET /\(String(repeating: "x", count: 300))".utf8) {
                do { try await connection.send([byte]) } catch { break }
                trickled += 1
                try await Task.sleep(for: .milliseconds(120))
            }
            // Each byte came in good time after the last; it was all of them together that took too long.
            #expect(trickled > 1 && trickled < 300)
            #expect(try await connection.response().status == 408)
        }
    }

    @Test func aBodyThatNeverComesIsAnsweredWith408AndWritesNothing() async throws {
        try await impatient { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            try await connection.send(post(point, length: point.utf8.count + 1))
            #expect(try await connection.response().status == 408)
            #expect(await connection.untilClosed() == "")
            var stats = try await server.call("GET", "/stats")
            // The server's patience is short for this call too.
            for _ in 0..<10 where [408, 504].contains(stats.status) { stats = try await server.call("GET", "/stats") }
            #expect(try stats.json()["points"] == 0)
        }
    }

    @Test func aConnectionThatSaysNothingIsClosed() async throws {
        try await impatient { (server) async throws in
            let silent = try await RawConnection.open(port: server.port)
            #expect(await silent.untilClosed() == "")
            let kept = try await RawConnection.open(port: server.port)
            try await kept.send(get)
            #expect(try await kept.response().status == 200)
            #expect(await kept.untilClosed() == "")
        }
    }

    @Test func bytesBeyondTheContentLengthAreNoPartOfTheRequest() async throws {
        try await TestServer.with { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            try await connection.send(post(point + "junk here\r\n\r\n", length: point.utf8.count))
            #expect(try await connection.response().status == 200)
            let answer = try await connection.response()
            #expect(answer.status == 400)
            #expect(answer.errorCode == "invalid_request")
            #expect(answer.headers["connection"] == "close")
            #expect(await connection.untilClosed() == "")
            #expect(try await points(server) == 1)
        }
    }

    @Test func aClientThatLeavesInTheMiddleChangesNothing() async throws {
        try await TestServer.with { (server) async throws in
            for cut in [1, 20, 60, 75] {
                let connection = try await RawConnection.open(port: server.port)
                try await connection.send(Array(post(point).utf8.prefix(cut)))
                try await connection.close()
            }
            #expect(try await points(server) == 0)
        }
    }

    @Test func aHalfClosedRequestIsRefusedAndAHalfClosedClientStillGetsItsAnswer() async throws {
        try await TestServer.with { (server) async throws in
            let cut = try await RawConnection.open(port: server.port)
            try await cut.send(post(point, length: 500))
            try await cut.finish()
            #expect(try await cut.response().status == 400)
            #expect(await cut.untilClosed() == "")
            #expect(try await points(server) == 0)
            let whole = try await RawConnection.open(port: server.port)
            try await whole.send(post(point))
            try await whole.finish()
            #expect(try await whole.response().status == 200)
            #expect(await whole.untilClosed() == "")
        }
    }

    @Test func chunkedBodiesAreRead() async throws {
        try await TestServer.with { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            let head = "POST /vectors HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
            try await connection.send(head)
            for piece in ["{\"id\":1,", "\"vector\":", "[1,2]}"] {
                try await connection.send(String(piece.utf8.count, radix: 16) + "\r\n\(piece)\r\n")
            }
            try await connection.send("0\r\n\r\n")
            #expect(try await connection.response().status == 200)
            try await connection.send(head + "zz\r\nabc\r\n")
            let answer = try await connection.response()
            #expect(answer.status == 400)
            #expect(await connection.untilClosed() == "")
            #expect(try await points(server) == 1)
        }
    }

    @Test func aChunkedBodyIsBoundedAsWell() async throws {
        try await TestServer.with(configure: { $0.connections.bodyBytesMax = 10_000 }) { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            try await connection.send("POST /vectors HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<20 { try await connection.send("400\r\n\(String(repeating: " ", count: 1_024))\r\n") }
            let answer = try await connection.response()
            #expect(answer.status == 413)
            #expect(answer.headers["connection"] == "close")
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await TestServer.with { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            let read = "GET /vectors/1 HTTP/1.1\r\nHost: t\r\n\r\n"
            let delete = "DELETE /vectors/1 HTTP/1.1\r\nHost: t\r\n\r\n"
            try await connection.send(read + post(point) + read + get + delete + read + get)
            var statuses: [Int] = []
            for _ in 0..<7 { statuses.append(try await connection.response().status) }
            #expect(statuses == [404, 200, 200, 200, 200, 404, 200])
        }
    }

    @Test func thousandsOfPipelinedRequestsAreAnswered() async throws {
        try await TestServer.with { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            let one = "GET /livez HTTP/1.1\r\nHost:t\r\n\r\n"
            // A call first, so that what follows is held back and taken in one go.
            try await connection.send(post(point) + String(repeating: one, count: 5_000))
            #expect(try await connection.response().status == 200)
            try await connection.finish()
            let rest = await connection.untilClosed()
            #expect(rest.components(separatedBy: "HTTP/1.1 200 OK").count == 5_001)
        }
    }

    @Test func aWordBeforeTheBodyIsGivenToThoseWhoWaitForIt() async throws {
        try await TestServer.with { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            let head = "Host: t\r\nExpect: 100-continue\r\nContent-Length: \(point.utf8.count)\r\n\r\n"
            try await connection.send("POST /vectors HTTP/1.1\r\n" + head)
            #expect(try await connection.response().status == 100)
            try await connection.send(point)
            #expect(try await connection.response().status == 200)
            try await connection.send("POST /nothing HTTP/1.1\r\n" + head)
            #expect(try await connection.response().status == 404)
            #expect(await connection.untilClosed() == "")
        }
    }

    @Test func aBodyAnnouncedTooLargeIsRefusedBeforeItComes() async throws {
        try await TestServer.with { (server) async throws in
            let connection = try await RawConnection.open(port: server.port)
            try await connection.send(post("", length: 33_554_433))
            let answer = try await connection.response()
            #expect(answer.status == 413)
            #expect(answer.errorCode == "too_large")
        }
    }

    @Test func whatIsNotHTTPIsRefusedInTheErrorForm() async throws {
        try await TestServer.with { (server) async throws in
            let long = String(repeating: "x", count: 70_000)
            let many = (0..<200).map { "h\($0): v\r\n" }.joined()
            for (request, status) in [
                ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n", 400), ("hello\r\n\r\n", 400),
                ("FOO / HTTP/1.1\r\nHost: t\r\n\r\n", 400), ("GET / HTTP/9.9\r\nHost: t\r\n\r\n", 400),
                ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost t\r\n\r\n", 400),
                ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), ("GET /a b HTTP/1.1\r\nHost: t\r\n\r\n", 400),
                ("POST /vectors HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", 400),
                ("POST /vectors HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
                ("POST /vectors HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
                (
                    "POST /vectors HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    400
                ),
                ("POST /vectors HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
                ("POST /vectors HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n{", 400),
                ("GET / HTTP/1.1\r\nHost: t\r\nX: \(long)\r\n\r\n", 431),
                ("GET / HTTP/1.1\r\nHost: t\r\n\(many)\r\n", 431),
                ("GET /\(long) HTTP/1.1\r\nHost: t\r\n\r\n", 414),
                ("GET /\(String(repeating: "y", count: 9_000)) HTTP/1.1\r\nHost: t\r\n\r\n", 414),
            ] {
                let connection = try await RawConnection.open(port: server.port)
                try? await connection.send(request)
                let answer = try await connection.response()
                #expect(answer.status == status, "\(request.prefix(80)): \(answer.text)")
                #expect(answer.errorCode != nil, "\(request.prefix(80)): \(answer.text)")
                #expect(await connection.untilClosed() == "", "\(request.prefix(80))")
            }
            #expect(try await server.call("GET", "/health").status == 200)
        }
    }

    @Test func oldClientsAndOnesThatWantAnotherProtocolAreServed() async throws {
        try await TestServer.with { (server) async throws in
            let old = try await RawConnection.open(port: server.port)
            try await old.send("GET /health HTTP/1.0\r\n\r\n")
            #expect(try await old.response().status == 200)
            #expect(await old.untilClosed() == "")
            let kept = try await RawConnection.open(port: server.port)
            for _ in 0..<2 {
                try await kept.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(try await kept.response().headers["connection"] == "keep-alive")
            }
            let upgrade = try await RawConnection.open(port: server.port)
            try await upgrade.send(
                "GET /health HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")
            #expect(try await upgrade.response().status == 200)
            #expect(await upgrade.untilClosed() == "")
        }
    }

    @Test func connectionsBeyondTheBoundMayAskForHealthOnly() async throws {
        try await TestServer.with(configure: {
            $0.connections.connectionsMax = 20
            $0.connections.reservedConnections = 5
        }) { (server) async throws in
            var held: [RawConnection] = []
            for _ in 0..<20 {
                let connection = try await RawConnection.open(port: server.port)
                try await connection.send(get)
                #expect(try await connection.response().status == 200)
                held.append(connection)
            }
            let refused = try await server.call("GET", "/stats")
            #expect(refused.status == 503)
            #expect(refused.headers["retry-after"] != nil)
            #expect(try await server.call("GET", "/health").status == 200)
            var beyond: [RawConnection] = []
            for _ in 0..<30 { beyond.append(try await RawConnection.open(port: server.port)) }
            #expect(await beyond[29].untilClosed() == "")
            try await held[3].send(get)
            #expect(try await held[3].response().status == 200)
            for connection in beyond + held { try? await connection.close() }
            for _ in 0..<100 where try await server.call("GET", "/stats").status != 200 {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await server.call("GET", "/stats").status == 200)
        }
    }

    @Test func thousandsOfIdleConnectionsLeaveRoomForWork() async throws {
        try await TestServer.with(configure: { $0.connections.connectionsMax = 3_000 }) { (server) async throws in
            var idle: [RawConnection] = []
            for _ in 0..<400 { idle.append(try await RawConnection.open(port: server.port)) }
            #expect(try await server.call("POST", "/vectors", point).status == 200)
            for connection in idle { try await connection.close() }
        }
    }
}
