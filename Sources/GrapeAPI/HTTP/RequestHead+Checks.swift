import GrapeModel
import NIOHTTP1

extension HTTPRequestHead {
    var contentLength: Int? { headers.first(name: "content-length").flatMap { Int($0) } }

    var isHTTP11: Bool { version.major == 1 && version.minor >= 1 }

    /// The client waits for a word before it sends the body.
    var expectsContinue: Bool {
        guard isHTTP11, let expectation = headers.first(name: "expect") else { return false }
        return expectation.lowercased() == "100-continue"
    }

    /// What HTTP lets a client send and this server doesn't take.
    func failure(limits: ConnectionLimits) -> GrapeError? {
        if uri.utf8.count > ConnectionLimits.targetBytesMax {
            return GrapeError(
                .uriTooLong,
                "the request's target has \(uri.utf8.count) bytes, \(ConnectionLimits.targetBytesMax) are allowed")
        }
        if isHTTP11, !headers.contains(name: "host") {
            return GrapeError(.invalidRequest, "the request has no Host header")
        }
        if let count = contentLength, count > limits.bodyBytesMax { return .bodyTooLarge(limits) }
        if let coding = headers.first(name: "transfer-encoding"), coding.lowercased() != "chunked" {
            return GrapeError(.notImplemented, "Transfer-Encoding \(coding.prefix(64)) is not supported, only chunked")
        }
        if let coding = headers.first(name: "content-encoding"), coding.lowercased() != "identity" {
            return GrapeError(.invalidRequest, "Content-Encoding \(coding.prefix(64)) is not supported")
        }
        return nil
    }
}

extension GrapeError {
    static func bodyTooLarge(_ limits: ConnectionLimits) -> GrapeError {
        GrapeError(.tooLarge, "the body is larger than \(limits.bodyBytesMax) bytes (server.max_request_bytes)")
    }

    /// What the HTTP decoder could not read; nil where the connection itself failed.
    init?(protocolError error: any Error, targetIsComplete: Bool) {
        guard let error = error as? HTTPParserError else { return nil }
        switch error {
        case .headerOverflow where targetIsComplete:
            self.init(.headersTooLarge, "the request's headers are larger than this server takes")
        case .headerOverflow:
            self.init(
                .uriTooLong, "the request's target has more than \(ConnectionLimits.targetBytesMax) bytes")
        case .invalidEOFState, .closedConnection:
            self.init(.invalidRequest, "the connection was closed in the middle of a request")
        case .unexpectedContentLength:
            self.init(.invalidRequest, "the request has both Content-Length and Transfer-Encoding, or two lengths")
        case .invalidContentLength: self.init(.invalidRequest, "Content-Length is not a number")
        case .invalidMethod: self.init(.invalidRequest, "the request's method is none of HTTP's")
        case .invalidURL:
            self.init(.invalidRequest, "the request's target has a character that must be percent-encoded")
        case .invalidVersion: self.init(.invalidRequest, "the request's HTTP version is not supported")
        case .invalidHeaderToken: self.init(.invalidRequest, "a header has a character that is not allowed")
        case .invalidChunkSize: self.init(.invalidRequest, "a chunk of the body has no valid size")
        default: self.init(.invalidRequest, "the request is not valid HTTP/1.1")
        }
    }
}
