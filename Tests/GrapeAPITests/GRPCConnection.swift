import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GrapeProto

/// A gRPC connection to a test's server.
struct GRPCConnection: Sendable {
    let raw: GRPCClient<HTTP2ClientTransport.Posix>

    var grape: Grape_V1_Grape.Client<HTTP2ClientTransport.Posix> { Grape_V1_Grape.Client(wrapping: raw) }
    var health: Grpc_Health_V1_Health.Client<HTTP2ClientTransport.Posix> { Grpc_Health_V1_Health.Client(wrapping: raw) }

    /// No call takes longer than this, so no test hangs.
    static var options: CallOptions {
        var options = CallOptions.defaults
        options.timeout = .seconds(120)
        return options
    }

    static func with<Value: Sendable>(
        _ server: TestServer, _ body: @Sendable (GRPCConnection) async throws -> Value
    ) async throws -> Value {
        let transport = try HTTP2ClientTransport.Posix(
            target: .ipv4(address: "127.0.0.1", port: server.grpcPort), transportSecurity: .plaintext)
        return try await withGRPCClient(transport: transport) { try await body(GRPCConnection(raw: $0)) }
    }
}

/// The status and the word of a call's failure.
func failure(_ call: () async throws -> some Sendable) async -> (code: RPCError.Code, word: String?)? {
    do {
        _ = try await call()
        return nil
    } catch let error as RPCError {
        return (error.code, error.metadata[stringValues: "grape-error-code"].first { _ in true })
    } catch {
        return nil
    }
}

extension Grape_V1_Point {
    init(_ id: String, _ vector: [Float], payload: String = "") {
        self.init()
        self.id.text = id
        self.vector = vector
        self.payload.append(contentsOf: payload.utf8)
    }
}
