import GrapeModel

/// Where a node answers REST: scheme, host and port, without a path.
struct Endpoint: Sendable, Hashable {
    let url: String

    /// - Parameter text: `http://host:6333`; `host:6333` means the same. A slash at the end is dropped.
    init(_ text: String) throws(GrapeError) {
        var url = text.contains("://") ? text : "http://" + text
        while url.hasSuffix("/") { url.removeLast() }
        guard let scheme = ["http://", "https://"].first(where: { url.lowercased().hasPrefix($0) }) else {
            throw Self.failure(text)
        }
        let authority = url.dropFirst(scheme.count)
        let isAllowed = authority.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"/?#@\\".utf8.contains($0) }
        guard !authority.isEmpty, isAllowed, Self.hasValidPort(authority) else { throw Self.failure(text) }
        self.url = scheme + authority
    }

    /// Without a port the scheme's own is meant.
    private static func hasValidPort(_ authority: Substring) -> Bool {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else { return true }
        let port = Int(authority[authority.index(after: colon)...])
        return colon > authority.startIndex && port.map { (1...65_535).contains($0) } == true
    }

    private static func failure(_ text: String) -> GrapeError {
        GrapeError(.invalidRequest, "endpoints: expected http://host:port, found \"\(text.prefix(128))\"")
    }
}
