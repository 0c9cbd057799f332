import Foundation

/// Where a server answers: `http://host:port`.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package init?(text: String) {
        guard let parts = URLComponents(string: text), parts.scheme == "http", let host = parts.host, !host.isEmpty,
            parts.query == nil, parts.path.isEmpty || parts.path == "/"
        else { return nil }
        self.init(host: host.trimmingCharacters(in: ["[", "]"]), port: parts.port ?? 80)
    }

    package var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    package var description: String { "http://\(authority)" }
    package var isLocal: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}
