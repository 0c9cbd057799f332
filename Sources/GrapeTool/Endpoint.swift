import AsyncHTTPClient
import Foundation
import GrapeEngine
import GrapeModel
import GrapeStorage
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The REST port of a node, as the tool calls it. Calls that did no harm, or may be made twice, are repeated for a while.
final class Endpoint: Sendable {
    struct Answer {
        let status: Int
        let headers: HTTPHeaders
        let body: [UInt8]

        func object() throws -> JSONDocument.Node { try JSONDocument(parsing: body).root }
    }

    private let url: String
    private let key: String?
    private let http: HTTPClient

    private static let answerBytesMax = 64 << 20
    private static let patience = Duration.seconds(60)

    init(_ options: EndpointOptions) throws {
        var text = options.endpoint ?? ""
        if !text.contains("://") { text = "http://" + text }
        while text.hasSuffix("/") { text.removeLast() }
        guard let parsed = URL(string: text), parsed.host != nil, parsed.path.isEmpty,
            ["http", "https"].contains(parsed.scheme)
        else { throw ToolFailure(.refused, "--endpoint: expected http://host:port, found \(text)") }
        url = text
        key = options.key
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)))
        if let file = options.caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(file)
            configuration.tlsConfiguration = tls
        }
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func close() async { try? await http.shutdown() }

    /// - Parameter repeats: the call may be made twice: what keeps it from being answered may pass.
    func call(
        _ method: HTTPMethod, _ path: String, body: [UInt8] = [], timeout: Duration = .seconds(60),
        repeats: Bool = true
    ) async throws -> Answer {
        let giveUpAt = ContinuousClock.now + Self.patience
        var pause = Duration.milliseconds(100)
        while true {
            do {
                let answer = try await send(method, path, body, timeout)
                guard answer.status >= 400 else { return answer }
                let error = Self.error(answer)
                let mayPass =
                    answer.status == 429 || answer.status == 503 || (repeats && answer.status == 504)
                guard mayPass, ContinuousClock.now < giveUpAt else { throw error }
            } catch let error as GrapeError {
                throw error
            } catch let error where !(error is CancellationError) {
                guard repeats, ContinuousClock.now < giveUpAt, !Self.isUnreachable(error) else {
                    throw ToolFailure(.refused, "\(url)\(path): \(error)")
                }
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(2))
        }
    }

    private static func isUnreachable(_ error: any Error) -> Bool {
        error is NIOConnectionError || error is NIOSSLError
    }

    private func send(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8], _ timeout: Duration
    ) async throws -> Answer {
        let response = try await http.execute(request(method, path, body), timeout: TimeAmount(timeout))
        let collected = try await response.body.collect(upTo: Self.answerBytesMax)
        return Answer(
            status: Int(response.status.code), headers: response.headers, body: Array(collected.readableBytesView))
    }

    private func request(_ method: HTTPMethod, _ path: String, _ body: [UInt8]) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url + path)
        request.method = method
        if !body.isEmpty { request.body = .bytes(ByteBuffer(bytes: body)) }
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        return request
    }

    /// Writes an answer's body to a file. -> its headers, and the SHA-256 of what came.
    func download(
        _ path: String, to file: String, note: (Double) -> Void
    ) async throws -> (headers: HTTPHeaders, bytes: UInt64, sha256: String) {
        let response = try await http.execute(request(.GET, path, []), timeout: .hours(24))
        guard response.status == .ok else {
            let body = try await response.body.collect(upTo: Self.answerBytesMax)
            throw Self.error(
                Answer(
                    status: Int(response.status.code), headers: response.headers,
                    body: Array(body.readableBytesView)))
        }
        let total = response.headers.first(name: "content-length").flatMap { Double($0) } ?? 0
        let sink = try Download(file)
        for try await piece in response.body {
            try Task.checkCancellation()
            let bytes = try sink.add(Array(piece.readableBytesView))
            note(total > 0 ? Double(bytes) / total : 0)
        }
        let (bytes, sha256) = try sink.finish()
        return (response.headers, bytes, sha256)
    }

    private static func error(_ answer: Answer) -> GrapeError {
        let fields = try? answer.object().field("error")
        let code = fields?.field("code")?.string.flatMap(GrapeError.Code.init(rawValue:)) ?? .internalError
        return GrapeError(code, fields?.field("message")?.string ?? "status \(answer.status)")
    }
}

/// A file that an answer goes into.
private final class Download {
    private var file: OutputFile
    private var hash = FileHash()

    init(_ path: String) throws { file = try OutputFile(path, replacing: true) }

    func add(_ bytes: [UInt8]) throws -> UInt64 {
        hash.add(bytes)
        try file.write(bytes)
        return file.byteCount
    }

    func finish() throws -> (UInt64, String) {
        try file.sync()
        return (file.byteCount, hash.text)
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) { self = .milliseconds(Int64(duration / .milliseconds(1))) }
}
