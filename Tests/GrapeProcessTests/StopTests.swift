import Foundation
import GrapeBench
import GrapeModel
import NIOCore
import NIOPosix
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
        let answer = try await post(Record.batch(records), to: "/vectors/batch", at: endpoint) { server.send(SIGTERM) }
        #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
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

    /// A request whose head the server has taken, as it says so itself, before the body is sent.
    private func post(
        _ body: [UInt8], to path: String, at endpoint: Endpoint, once whenTaken: () -> Void
    ) async throws -> String {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let connection = try await bootstrap.connect(host: endpoint.host, port: endpoint.port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        return try await connection.executeThenClose { inbound, outbound in
            var answers = inbound.makeAsyncIterator()
            let head = "POST \(path) HTTP/1.1\r\nHost: t\r\nConnection: close\r\nExpect: 100-continue\r\n"
            try await outbound.write(ByteBuffer(string: head + "Content-Length: \(body.count)\r\n\r\n"))
            var word = ""
            while !word.hasSuffix("\r\n\r\n"), let more = try await answers.next() { word += String(buffer: more) }
            #expect(word.hasPrefix("HTTP/1.1 100 "), "\(word)")
            whenTaken()
            try await outbound.write(ByteBuffer(bytes: body))
            var answer = ""
            while let more = try await answers.next() { answer += String(buffer: more) }
            return answer
        }
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
