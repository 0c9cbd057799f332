import Foundation
import GrapeBench
import GrapeModel
import Testing

/// How the server ends when it is asked to.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct StopTests {
    @Test("SIGTERM: a request on its way is answered, its points are kept, the exit status is 0")
    func requestsAreFinished() async throws {
        let site = try Site()
        let server = try site.start()
        let endpoint = try await server.healthyEndpoint()
        let records = (0..<5_000).map { Record(id: $0, version: 1) }
        let connection = try await connect(endpoint)
        let request = HTTPRequest(.POST, "/vectors/batch", json: Record.batch(records))
        let answer = Task { try await connection.exchange(request) }
        try await Task.sleep(for: .milliseconds(30))
        server.send(SIGTERM)
        #expect(try await answer.value.status == 200)
        #expect(try await server.waitForEnd() == 0, "\(server.logEnd)")

        let next = try site.start()
        let reader = try await connect(try await next.healthyEndpoint())
        for id in [0, 2_500, 4_999] {
            let found = try await reader.exchange(HTTPRequest(.GET, "/vectors/\(id)"))
            let record = try Record(answer: found, id: id)
            #expect(record == Record(id: id, version: 1))
        }
        await reader.close()
        next.send(SIGTERM)
        #expect(try await next.waitForEnd() == 0, "\(next.logEnd)")
    }

    @Test("SIGTERM while the server starts ends it with status 0")
    func stopWhileStarting() async throws {
        let site = try Site()
        for milliseconds in [0, 5, 20, 60] {
            let server = try site.start()
            try await Task.sleep(for: .milliseconds(milliseconds))
            server.send(SIGTERM)
            let status = try await server.waitForEnd()
            // Before the program has installed its handler the signal ends it as any program.
            #expect(status == 0 || (status == -SIGTERM && server.logText.isEmpty), "\(status)\n\(server.logEnd)")
        }
    }

    @Test("SIGINT, as of control-C, ends the server with status 0")
    func interrupted() async throws {
        let server = try Site().start()
        _ = try await server.healthyEndpoint()
        server.send(SIGINT)
        #expect(try await server.waitForEnd() == 0, "\(server.logEnd)")
    }
}
