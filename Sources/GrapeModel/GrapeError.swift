/// What a caller of Grape sees when a call fails.
public struct GrapeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong, in a word that programs can compare. The raw value is the `code` of REST's error form.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        case invalidRequest = "invalid_request"
        case dimensionMismatch = "dimension_mismatch"
        case invalidVector = "invalid_vector"
        case unauthorized
        case forbidden
        case notFound = "not_found"
        case collectionNotFound = "collection_not_found"
        case methodNotAllowed = "method_not_allowed"
        case requestTimeout = "request_timeout"
        case conflict
        case tooLarge = "too_large"
        case uriTooLong = "uri_too_long"
        case headersTooLarge = "headers_too_large"
        /// More work is waiting than this node takes: nothing was done, try again later.
        case overloaded
        /// The node is at `memory_limit_mb`: nothing was written.
        case memoryLimit = "memory_limit"
        case notImplemented = "not_implemented"
        /// The node can't serve now (starting, stopping, no leader, no quorum): nothing was done.
        case unavailable
        /// The call ran out of time after it may have been carried out.
        case outcomeUnknown = "outcome_unknown"
        case diskFull = "disk_full"
        /// Data on disk doesn't have the checksum that it was written with.
        case damaged
        /// A configuration or data directory that this build can't use.
        case cannotStart = "cannot_start"
        /// Another process has the data directory open.
        case directoryInUse = "directory_in_use"
        case internalError = "internal_error"
    }

    public let code: Code
    public let message: String
    /// Seconds after which a repetition may succeed, where that is known.
    public let retryAfterSeconds: Int?
    /// How far a batch came whose fate is not, or only partly, known.
    public let writeOutcome: WriteOutcome?

    package init(
        _ code: Code, _ message: String, retryAfterSeconds: Int? = nil, writeOutcome: WriteOutcome? = nil
    ) {
        self.code = code
        self.message = message
        self.retryAfterSeconds = retryAfterSeconds
        self.writeOutcome = writeOutcome
    }

    public var description: String { "\(code.rawValue): \(message)" }
}

/// Points of a batch by what became of them.
public struct WriteOutcome: Sendable, Hashable {
    public let written: Int
    public let notWritten: Int
    /// These may have been written, or may still be.
    public let unknown: Int

    package init(written: Int, notWritten: Int, unknown: Int) {
        self.written = written
        self.notWritten = notWritten
        self.unknown = unknown
    }
}
