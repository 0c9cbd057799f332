import GrapeModel

/// A complete answer: status, body and the few headers that are not the connection's affair.
package struct HTTPAnswer: Sendable {
    package enum ContentType: String, Sendable {
        case json = "application/json"
        case text = "text/plain; charset=utf-8"
        /// Prometheus' text format.
        case metrics = "text/plain; version=0.0.4; charset=utf-8"
        case gzip = "application/gzip"
    }

    package var status: Int
    package var contentType: ContentType
    package var body: [UInt8]
    /// Set: what comes in place of `body`, too long to be held.
    package var stream: HTTPStream?
    package var headers: [(name: String, value: String)] = []
    /// The connection ends with this answer.
    package var closes = false

    package init(status: Int = 200, contentType: ContentType = .json, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    package init(status: Int = 200, text: String) {
        self.init(status: status, contentType: .text, body: Array(text.utf8))
    }

    /// An answer whose body is the one JSON value that `write` writes.
    package init(status: Int = 200, capacity: Int = 256, write: (inout JSONWriter) -> Void) {
        var writer = JSONWriter(capacity: capacity)
        write(&writer)
        self.init(status: status, body: writer.bytes)
    }
}

/// A body that is made while it is sent. Where it can't be made to its end the connection breaks off, so that nobody takes
/// a part for the whole.
package struct HTTPStream: Sendable {
    /// Of the whole body.
    package let byteCount: UInt64
    /// The piece from here on; never empty.
    package let piece: @Sendable (_ offset: UInt64) async throws(GrapeError) -> [UInt8]

    package init(
        byteCount: UInt64, piece: @escaping @Sendable (_ offset: UInt64) async throws(GrapeError) -> [UInt8]
    ) {
        self.byteCount = byteCount
        self.piece = piece
    }
}

extension HTTPAnswer {
    /// The error form: `{"error":{"code","message"}}`, with the counts of a write whose fate is not known.
    package init(_ error: GrapeError) {
        self.init(error, also: { _ in })
    }

    /// `also` adds fields beside `error`.
    package init(_ error: GrapeError, also: (inout JSONWriter) -> Void) {
        self.init(status: error.code.httpStatus) { json in
            json.beginObject()
            json.key("error")
            json.beginObject()
            json.field("code", error.code.rawValue)
            json.field("message", error.message)
            if let outcome = error.writeOutcome {
                json.field("written", outcome.written)
                json.field("not_written", outcome.notWritten)
                json.field("unknown", outcome.unknown)
            }
            json.endObject()
            also(&json)
            json.endObject()
        }
        if let seconds = error.retryAfterSeconds ?? error.code.usualRetryAfterSeconds {
            headers.append(("Retry-After", String(seconds)))
        }
        if error.code == .unauthorized { headers.append(("WWW-Authenticate", "Bearer")) }
    }
}

extension GrapeError.Code {
    /// The one place where errors become HTTP statuses.
    package var httpStatus: Int {
        switch self {
        case .invalidRequest, .dimensionMismatch, .invalidVector: 400
        case .unauthorized: 401
        case .forbidden: 403
        case .notFound, .collectionNotFound: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .conflict: 409
        case .tooLarge: 413
        case .uriTooLong: 414
        case .overloaded, .memoryLimit: 429
        case .headersTooLarge: 431
        case .damaged, .cannotStart, .directoryInUse, .internalError: 500
        case .notImplemented: 501
        case .unavailable: 503
        case .outcomeUnknown: 504
        case .diskFull: 507
        }
    }

    /// Statuses 429 and 503 always say when to come again.
    var usualRetryAfterSeconds: Int? {
        httpStatus == 429 || httpStatus == 503 ? 1 : nil
    }
}
