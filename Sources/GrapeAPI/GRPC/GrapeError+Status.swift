import GRPCCore
import GrapeModel

extension GrapeError.Code {
    /// The one place where errors become gRPC statuses.
    package var rpcCode: RPCError.Code {
        switch self {
        case .invalidRequest, .dimensionMismatch, .invalidVector, .tooLarge, .uriTooLong, .headersTooLarge:
            .invalidArgument
        case .unauthorized: .unauthenticated
        case .forbidden: .permissionDenied
        case .notFound, .collectionNotFound: .notFound
        case .methodNotAllowed, .notImplemented: .unimplemented
        case .requestTimeout, .outcomeUnknown: .deadlineExceeded
        case .conflict: .aborted
        case .overloaded, .memoryLimit, .diskFull: .resourceExhausted
        case .unavailable: .unavailable
        case .damaged: .dataLoss
        case .cannotStart, .directoryInUse, .internalError: .internalError
        }
    }
}

extension GrapeError: RPCErrorConvertible {
    public var rpcErrorCode: RPCError.Code { code.rpcCode }

    public var rpcErrorMessage: String { message }

    /// What the status can't say: the word that programs compare, when to come again, the fate of a batch.
    public var rpcErrorMetadata: Metadata {
        var metadata: Metadata = ["grape-error-code": .string(code.rawValue)]
        if let seconds = retryAfterSeconds ?? code.usualRetryAfterSeconds {
            metadata.addString(String(seconds), forKey: "retry-after")
        }
        if let outcome = writeOutcome {
            metadata.addString(String(outcome.written), forKey: "grape-written")
            metadata.addString(String(outcome.notWritten), forKey: "grape-not-written")
            metadata.addString(String(outcome.unknown), forKey: "grape-unknown")
        }
        return metadata
    }
}
