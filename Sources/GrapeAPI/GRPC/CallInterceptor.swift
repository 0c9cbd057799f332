import GRPCCore
import GrapeCluster
import GrapeModel
import GrapeProto
import Logging
import NIOCore

/// What every call goes through: the key is asked for before a message is read, and the end is counted and, where the
/// fault is ours, logged.
struct CallInterceptor: ServerInterceptor {
    private let access: AccessControl
    private let metrics: ServerMetrics
    private let logger: Logger

    init(options: APIOptions, metrics: ServerMetrics, logger: Logger) {
        access = AccessControl(options.auth)
        self.metrics = metrics
        self.logger = logger
    }

    func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingServerRequest<Input>, context: ServerContext,
        next: @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
        // Whatever wakes the call, it goes on and answers on the loop of its connection.
        try await withTaskExecutorPreference(LoopExecutor.current) {
            try await carryOut(request, context, next)
        }
    }

    private func carryOut<Input: Sendable, Output: Sendable>(
        _ request: StreamingServerRequest<Input>, _ context: ServerContext,
        _ next: @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
        let start = NIODeadline.now()
        let call = CallKind(context.descriptor)
        do {
            try access.check(call.access) { name in
                request.metadata[stringValues: name].first { _ in true }
            }
            let response = try await next(request, context)
            record(call, status: 200, since: start)
            return response
        } catch {
            let error = Self.worded(error, call)
            let status = Self.httpStatus(of: error)
            record(call, status: status, since: start)
            if status == 500 {
                logger.error(
                    "a call failed",
                    metadata: [
                        "protocol": "grpc", "operation": "\(call.operation.label)", "error": "\(error)",
                    ])
            }
            throw error
        }
    }

    private func record(_ call: CallKind, status: Int, since start: NIODeadline) {
        metrics.recorder(countsRequests: true).record(
            call.operation, over: .grpc, status: status,
            nanoseconds: UInt64((NIODeadline.now() - start).nanoseconds))
    }

    /// Bytes that are no message are refused like any other bad input.
    private static func worded(_ error: any Error, _ call: CallKind) -> any Error {
        guard let found = error as? RPCError, found.code == .invalidArgument, call.access != .open else { return error }
        return GrapeError(.invalidRequest, "the request can't be read as the message that this call takes")
    }

    /// The status under which metrics count a failure, the same as REST's. What is no `GrapeError` is the client's
    /// doing: a call that doesn't exist, or a stream that ended early or holds something else than messages.
    private static func httpStatus(of error: any Error) -> Int {
        if let error = error as? GrapeError { return error.code.httpStatus }
        return switch (error as? RPCError)?.code {
        case nil, .cancelled, .unavailable, .unknown: 408
        case .notFound: 404
        default: 400
        }
    }
}

/// What a method is to access control and metrics.
struct CallKind {
    let operation: Operation
    let access: Route.Access

    private init(_ operation: Operation, _ access: Route.Access) {
        self.operation = operation
        self.access = access
    }

    init(_ method: MethodDescriptor) {
        typealias Grape = Grape_V1_Grape.Method
        switch method {
        case Grape.Search.descriptor: self.init(.search, .read)
        case Grape.Upsert.descriptor: self.init(.upsert, .write)
        case Grape.UpsertBatch.descriptor: self.init(.upsertBatch, .write)
        case Grape.Get.descriptor: self.init(.get, .read)
        case Grape.Delete.descriptor: self.init(.delete, .write)
        case Grape.SearchBatch.descriptor: self.init(.searchBatch, .read)
        case Grape.ClusterInfo.descriptor: self.init(.cluster, .read)
        case Grpc_Health_V1_Health.Method.Check.descriptor, Grpc_Health_V1_Health.Method.Watch.descriptor:
            self.init(.health, .open)
        default: self.init(.other, .read)
        }
    }
}
