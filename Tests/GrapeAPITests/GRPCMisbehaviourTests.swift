import GRPCCore
import GRPCProtobuf
import GrapeModel
import GrapeProto
import NIOCore
import NIOPosix
import Testing

import struct Glibc.linger

import GrapeAPI

@Suite(.serialized) struct GRPCMisbehaviourTests {
    @Test func bytesThatAreNoMessageAreRefused() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                for bytes: [UInt8] in [
                    [0xff, 0xff, 0xff, 0xff, 0xff], [0x0a], [0x0a, 0x7f, 1], [0x12, 0x03, 1, 2, 3],
                ] {
                    let found = await failure {
                        try await connection.call(Grape_V1_Grape.Method.Search.descriptor, bytes)
                    }
                    #expect(found?.code == .invalidArgument && found?.word == "invalid_request", "\(bytes)")
                }
                let unknown = MethodDescriptor(fullyQualifiedService: "grape.v1.Grape", method: "Nothing")
                #expect(await failure { try await connection.call(unknown, []) }?.code == .unimplemented)
            }
        }
    }

    @Test func aMessageThatIsTooLargeIsToldSo() async throws {
        try await TestServer.with(configure: { $0.connections.bodyBytesMax = 100_000 }) { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = connection.grape
                let found = await failure {
                    try await grape.upsert(
                        .with { $0.point = Grape_V1_Point("a", [Float](repeating: 1, count: 60_000)) })
                }
                #expect(found?.code == .invalidArgument && found?.word == "too_large")
                _ = try await grape.upsert(.with { $0.point = Grape_V1_Point("a", [1, 2]) })
            }
        }
    }

    @Test func aRequestThatDoesNotArriveInTimeIsGivenUp() async throws {
        try await TestServer.with(configure: { $0.connections.requestTimeout = .milliseconds(200) }) { server in
            let headers = try await UnfinishedCall.make("/grape.v1.Grape/Search", port: server.grpcPort)
            #expect(headers.first(name: "grpc-status") == "4")
            #expect(headers.first(name: "grape-error-code") == "request_timeout")
        }
    }

    @Test func memoryForRequestsIsBounded() async throws {
        try await TestServer.with(configure: { $0.connections.heldBodyBytesMax = 1_000 }) { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let large = Grape_V1_Point("a", [Float](repeating: 1, count: 1_000))
                let found = await failure { try await connection.grape.upsert(.with { $0.point = large }) }
                #expect(found?.code == .resourceExhausted && found?.word == "overloaded")
                // What was held is free again.
                for _ in 0..<20 {
                    _ = try await connection.grape.upsert(.with { $0.point = Grape_V1_Point("b", [1, 2]) })
                }
            }
        }
    }

    @Test func connectionsThatBreakOffDisturbNobody() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                _ = try await connection.grape.upsert(.with { $0.point = Grape_V1_Point("a", [1, 2]) })
                let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
                let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
                for bytes in [[], [0xff], Array("GET / HTTP/1.1\r\n\r\n".utf8), preface, preface + settings] {
                    for _ in 0..<5 { try await Self.sendAndReset(bytes, port: server.grpcPort) }
                }
                _ = try await connection.grape.get(.with { $0.id.text = "a" })
            }
            // New ones are taken too.
            try await GRPCConnection.with(server) { (connection) async throws in
                _ = try await connection.grape.get(.with { $0.id.text = "a" })
            }
        }
    }

    @Test func connectionsBeyondTheLimitAreClosed() async throws {
        try await TestServer.with(configure: { $0.connections.connectionsMax = 1 }) { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                #expect(try await connection.health.check(Grpc_Health_V1_HealthCheckRequest()).status == .serving)
                let second = try await RawConnection.open(port: server.grpcPort)
                let opened = ContinuousClock.now
                await #expect(throws: RawConnection.Closed.self) { try await second.response() }
                // By the server, and not by the connection's own limit.
                #expect(ContinuousClock.now - opened < .seconds(60))
                #expect(try await connection.health.check(Grpc_Health_V1_HealthCheckRequest()).status == .serving)
            }
        }
    }

    @Test func deadlinesAreReadAsGRPCWritesThem() {
        let texts: [(String, TimeAmount?)] = [
            ("1H", .hours(1)), ("2M", .minutes(2)), ("3S", .seconds(3)), ("99999999m", .milliseconds(99_999_999)),
            ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("99999999H", nil), ("", nil), ("S", nil), ("1", nil),
            ("-1S", nil), ("1 S", nil), ("123456789S", nil), ("1x", nil), ("٣S", nil),
        ]
        for (text, expected) in texts { #expect(CallDeadline.timeout(text) == expected, "\(text)") }
    }

    @Test func everyErrorHasTheStatusThatItsHTTPStatusMeans() {
        let expected: [Int: [RPCError.Code]] = [
            400: [.invalidArgument], 401: [.unauthenticated], 403: [.permissionDenied], 404: [.notFound],
            405: [.unimplemented], 408: [.deadlineExceeded], 409: [.aborted], 413: [.invalidArgument],
            414: [.invalidArgument], 429: [.resourceExhausted], 431: [.invalidArgument],
            500: [.internalError, .dataLoss], 501: [.unimplemented], 503: [.unavailable], 504: [.deadlineExceeded],
            507: [.resourceExhausted],
        ]
        for code in GrapeError.Code.allCases {
            #expect(expected[code.httpStatus]?.contains(code.rpcCode) == true, "\(code)")
        }
    }

    /// Closes with RST, so that the server's next read or write fails.
    private static func sendAndReset(_ bytes: [UInt8], port: Int) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port).get()
        let options = try #require(channel as? any SocketOptionProvider)
        try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        if !bytes.isEmpty { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }
        try? await channel.close()
    }
}

extension GRPCConnection {
    /// A call of bytes as they are.
    func call(_ method: MethodDescriptor, _ bytes: [UInt8]) async throws -> [UInt8] {
        try await raw.unary(
            request: ClientRequest(message: bytes), descriptor: method, serializer: PlainBytes(),
            deserializer: PlainBytes(), options: Self.options
        ) { try $0.message }
    }
}

private struct PlainBytes: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
        unsafe bytes.withUnsafeBytes { buffer in unsafe Array(buffer) }
    }
}
