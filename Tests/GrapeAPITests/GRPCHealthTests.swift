import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GrapeProto
import Synchronization
import Testing

@Suite(.serialized) struct GRPCHealthTests {
    @Test func beforeTheNodeHasOpenedNothingIsServed() async throws {
        try await TestServer.with(opensNode: false) { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let whole = Grpc_Health_V1_HealthCheckRequest()
                #expect(try await connection.health.check(whole).status == .notServing)
                let search = await failure { try await connection.grape.search(.nearest([1], limit: 1)) }
                #expect(search?.code == .unavailable && search?.word == "unavailable")
            }
        }
    }

    @Test func onlyServicesThatAreThereHaveHealth() async throws {
        try await TestServer.with { server in
            try await GRPCConnection.with(server) { (connection) async throws in
                let grape = Grpc_Health_V1_HealthCheckRequest.with { $0.service = "grape.v1.Grape" }
                #expect(try await connection.health.check(grape).status == .serving)
                let none = Grpc_Health_V1_HealthCheckRequest.with { $0.service = "grape.v1.Other" }
                #expect(await failure { try await connection.health.check(none) }?.code == .notFound)
            }
        }
    }

    @Test func watchersHearOfTheStop() async throws {
        try await TestServer.with { server in
            let seen = try await GRPCConnection.with(server) { (connection) async throws in
                try await connection.health.watch(
                    Grpc_Health_V1_HealthCheckRequest(), options: GRPCConnection.options
                ) { response in
                    var seen: [Grpc_Health_V1_HealthCheckResponse.ServingStatus] = []
                    for try await message in response.messages {
                        seen.append(message.status)
                        if seen.count == 1 { server.serving.stop() }
                        if seen.count == 2 { break }
                    }
                    return seen
                }
            }
            #expect(seen == [.serving, .notServing])
        }
    }

    @Test func reflectionTellsTheServicesAndTheirFiles() async throws {
        try await TestServer.with { server in
            let answers = try await GRPCConnection.with(server) { (connection) async throws in
                try await connection.reflect([
                    .with { $0.listServices = "" }, .with { $0.fileContainingSymbol = "grape.v1.Grape.Search" },
                    .with { $0.fileByFilename = "grpc/health/v1/health.proto" },
                    .with { $0.fileContainingSymbol = "grape.v1.PointId.number" },
                    .with { $0.fileContainingSymbol = "grape.v1.Nothing" }, .init(),
                ])
            }
            #expect(
                answers[0].listServicesResponse.service.map(\.name) == [
                    "grape.v1.Grape", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                ])
            for answer in answers[1...3] { #expect(answer.fileDescriptorResponse.fileDescriptorProto.count == 1) }
            #expect(answers[1].fileDescriptorResponse == answers[3].fileDescriptorResponse)
            #expect(answers[4].errorResponse.errorCode == 5)
            #expect(answers[5].errorResponse.errorCode == 3)
        }
    }

    @Test func aStopEndsCallsThatAreOpen() async throws {
        let server = try await TestServer.start()
        let start = ContinuousClock.now
        try await GRPCConnection.with(server) { (connection) async throws in
            try await connection.health.watch(
                Grpc_Health_V1_HealthCheckRequest(), options: GRPCConnection.options
            ) { response in
                for try await message in response.messages where message.status == .serving {
                    await server.beginStop()
                }
            }
        }
        await server.stop()
        #expect(ContinuousClock.now - start < .seconds(60))
    }
}

extension GRPCConnection {
    fileprivate func reflect(
        _ questions: [Grpc_Reflection_V1_ServerReflectionRequest]
    ) async throws -> [Grpc_Reflection_V1_ServerReflectionResponse] {
        let client = Grpc_Reflection_V1_ServerReflection.Client(wrapping: raw)
        return try await client.serverReflectionInfo(
            options: Self.options, requestProducer: { try await $0.write(contentsOf: questions) }
        ) { response in
            var answers: [Grpc_Reflection_V1_ServerReflectionResponse] = []
            for try await answer in response.messages { answers.append(answer) }
            return answers
        }
    }
}
