import NIOCore
import NIOHTTP1

package struct HTTPRequest: Sendable {
    package let method: HTTPMethod
    package let path: String
    package let body: ByteBuffer

    package init(_ method: HTTPMethod, _ path: String, body: ByteBuffer = ByteBuffer()) {
        self.method = method
        self.path = path
        self.body = body
    }

    package init(_ method: HTTPMethod, _ path: String, json: [UInt8]) {
        self.init(method, path, body: ByteBuffer(bytes: json))
    }
}

package struct HTTPAnswer: Sendable {
    package let status: Int
    package let headers: HTTPHeaders
    package let body: ByteBuffer

    package var isSuccess: Bool { (200..<300).contains(status) }
    package var text: String { String(buffer: body) }
    package var bytes: [UInt8] { Array(body.readableBytesView) }

    /// Whether the server asks to come again later; it has then done nothing.
    package var isRetryable: Bool { status == 429 || status == 503 }
    /// Seconds that the server asks to wait, bounded.
    package var retryAfterSeconds: Int { min(max(headers.first(name: "Retry-After").flatMap { Int($0) } ?? 1, 0), 30) }
}

/// Why no answer came.
package enum HTTPConnectionError: Error, Equatable {
    case closed
    case timedOut(seconds: Int)
}
