import GRPCCore
import GrapeProto

/// `grpc.health.v1.Health`: whether this node can serve, by the same rule as `GET /health`.
struct HealthService: Grpc_Health_V1_Health.ServiceProtocol {
    private typealias Status = Grpc_Health_V1_HealthCheckResponse.ServingStatus

    private static let pollInterval = Duration.milliseconds(200)

    private let serving: ServingState

    init(serving: ServingState) { self.serving = serving }

    func check(
        request: ServerRequest<Grpc_Health_V1_HealthCheckRequest>, context: ServerContext
    ) async throws -> ServerResponse<Grpc_Health_V1_HealthCheckResponse> {
        let status = status(of: request.message.service)
        guard status != .serviceUnknown else {
            throw RPCError(code: .notFound, message: "there is no such service")
        }
        return ServerResponse(message: .with { $0.status = status })
    }

    /// The status now, and again at each change. It has no event of its own, so it is looked at a few times a second.
    func watch(
        request: ServerRequest<Grpc_Health_V1_HealthCheckRequest>, context: ServerContext
    ) async throws -> StreamingServerResponse<Grpc_Health_V1_HealthCheckResponse> {
        let service = request.message.service
        return StreamingServerResponse { [self] writer in
            var last: Status?
            while true {
                // Once cancelled, by the client or by the server's stop, the last status is told and that is all.
                let isLast = context.cancellation.isCancelled
                let status = status(of: service)
                if status != last { try await writer.write(.with { $0.status = status }) }
                if isLast { return [:] }
                last = status
                try await Task.sleep(for: Self.pollInterval)
            }
        }
    }

    /// The empty name means the whole server.
    private func status(of service: String) -> Status {
        let known = ["", Grape_V1_Grape.descriptor.fullyQualifiedService]
        guard known.contains(service) else { return .serviceUnknown }
        do {
            _ = try serving.ready()
            return .serving
        } catch {
            return .notServing
        }
    }
}
