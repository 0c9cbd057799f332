import AsyncHTTPClient
import GrapeModel
import NIOCore
import NIOHTTP1
import NIOPosix

/// A request that any node can answer.
struct Call: Sendable {
    let method: HTTPMethod
    let path: String
    let body: [UInt8]
    let safety: RetryPlan.Safety
    /// The same for all repetitions of a write.
    let idempotencyKey: String?

    static let health = Call(.GET, "/health", .read)

    init(_ method: HTTPMethod, _ path: String, _ safety: RetryPlan.Safety, body: [UInt8] = []) {
        self.method = method
        self.path = path
        self.body = body
        self.safety = safety
        idempotencyKey = safety == .keyedWrite ? Self.newKey() : nil
    }

    /// 128 random bits.
    private static func newKey() -> String {
        String(UInt64.random(in: .min ... .max), radix: 16) + "-" + String(UInt64.random(in: .min ... .max), radix: 16)
    }

    func send(to endpoint: Endpoint, over http: HTTPClient, _ options: ClusterClient.Options) async -> AttemptOutcome {
        var request = HTTPClientRequest(url: endpoint.url + path)
        request.method = method
        if !body.isEmpty {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        if let idempotencyKey { request.headers.add(name: "Idempotency-Key", value: idempotencyKey) }
        if let key = options.apiKey { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        do {
            // The caller's deadline ends the attempt by cancelling it.
            let response = try await http.execute(request, deadline: .distantFuture)
            let body = try await response.body.collect(upTo: options.answerBytesMax)
            return .answered(
                Answer(
                    status: Int(response.status.code),
                    retryAfterSeconds: response.headers.first(name: "Retry-After").flatMap { Int($0) },
                    body: Array(body.readableBytesView)))
        } catch {
            let reason = "\(endpoint.url): \(error)"
            return Self.wasNeverSent(error) ? .notSent(reason) : .lost(reason)
        }
    }

    private static func wasNeverSent(_ error: any Error) -> Bool {
        if error is NIOConnectionError { return true }
        let unsent: [HTTPClientError] = [
            .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout, .alreadyShutdown,
        ]
        return (error as? HTTPClientError).map(unsent.contains) ?? false
    }
}

extension Call {
    /// The path of a collection's points, and of what is below it.
    static func vectors(_ collection: String?, _ rest: String...) -> String {
        let base = collection.map { "/collections/\(segment($0))/vectors" } ?? "/vectors"
        return rest.reduce(base) { $0 + "/" + $1 }
    }

    /// A text as one segment of a path.
    static func segment(_ text: String) -> String {
        var bytes: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            let isPlain = byte < 0x80 && (Character(UnicodeScalar(byte)).isLetter || (0x30...0x39).contains(byte))
            if isPlain || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
