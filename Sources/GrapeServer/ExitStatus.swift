import GrapeModel

/// How the server ends, by the conventions of sysexits.h, so that a supervisor can tell what a restart may mend.
enum ExitStatus: Int32, Sendable, Hashable, CaseIterable {
    /// Stopped on request, or `--check` found the configuration valid.
    case success = 0
    /// The command line can't be understood.
    case usage = 64
    /// Data on disk doesn't have the checksum that it was written with, or has a format that this build can't read.
    case dataDamaged = 65
    /// A port is in use or may not be opened.
    case portUnavailable = 69
    /// A fault in the server itself.
    case internalError = 70
    /// The start failed for another reason, such as a setting that contradicts the data directory.
    case cannotStart = 73
    /// The disk failed or is full.
    case diskError = 74
    /// Another process has the data directory open.
    case dataDirectoryInUse = 75
    /// The configuration is wrong, or asks for what this build can't do.
    case configuration = 78
}

/// Why the server stopped by itself, with the line that tells the operator.
struct ServerFailure: Error, Sendable, CustomStringConvertible {
    let status: ExitStatus
    let message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// Any error as a failure: what is not known to have another cause is a fault of the server.
    init(_ error: any Error) {
        switch error {
        case let failure as ServerFailure: self = failure
        case let error as GrapeError: self.init(Self.status(of: error.code), error.message)
        default: self.init(.internalError, "\(error)")
        }
    }

    var description: String { message }

    private static func status(of code: GrapeError.Code) -> ExitStatus {
        switch code {
        case .damaged: .dataDamaged
        case .diskFull: .diskError
        case .cannotStart: .cannotStart
        case .directoryInUse: .dataDirectoryInUse
        case .invalidRequest, .dimensionMismatch, .invalidVector, .unauthorized, .forbidden, .notFound,
            .collectionNotFound, .methodNotAllowed, .requestTimeout, .conflict, .tooLarge, .uriTooLong,
            .headersTooLarge, .overloaded, .memoryLimit, .notImplemented, .unavailable, .outcomeUnknown,
            .internalError:
            .internalError
        }
    }
}
