import GrapeModel

/// A node's answer: JSON, whatever came with it.
package struct Answer: Sendable {
    let status: Int
    let retryAfterSeconds: Int?
    let body: [UInt8]

    package init(status: Int, retryAfterSeconds: Int?, body: [UInt8]) {
        self.status = status
        self.retryAfterSeconds = retryAfterSeconds
        self.body = body
    }

    var isSuccess: Bool { (200...299).contains(status) }

    /// The error that the node told; of a proxy's answer, which has another form, what its status says.
    var error: GrapeError {
        let told = try? JSONDocument(parsing: body).root.field("error")
        let code = told?.field("code")?.string.flatMap { GrapeError.Code(rawValue: $0) }
        let message = told?.field("message")?.string ?? "the answer has HTTP status \(status)"
        return GrapeError(
            code ?? codeOfStatus, message, retryAfterSeconds: retryAfterSeconds,
            writeOutcome: told.flatMap(Self.outcome))
    }

    /// A field of the object that a successful answer is.
    func field<Value>(_ name: String, _ read: (JSONDocument.Node) -> Value?) throws(GrapeError) -> Value {
        guard let node = try JSONDocument(parsing: body).root.field(name), let value = read(node) else {
            throw GrapeError(.internalError, "the answer has no field \"\(name)\" of the kind expected")
        }
        return value
    }

    private static func outcome(_ node: JSONDocument.Node) -> WriteOutcome? {
        guard let written = count(node, "written"), let notWritten = count(node, "not_written"),
            let unknown = count(node, "unknown")
        else { return nil }
        return WriteOutcome(written: written, notWritten: notWritten, unknown: unknown)
    }

    private static func count(_ node: JSONDocument.Node, _ name: String) -> Int? {
        node.field(name)?.int64.map(Int.init)
    }

    private var codeOfStatus: GrapeError.Code {
        switch status {
        case 401: .unauthorized
        case 403: .forbidden
        case 404: .notFound
        case 408: .requestTimeout
        case 413: .tooLarge
        case 429: .overloaded
        case 503: .unavailable
        case 502, 504: .outcomeUnknown
        case 400...499: .invalidRequest
        default: .internalError
        }
    }
}
