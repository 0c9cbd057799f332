import GrapeConfiguration
import GrapeModel
import NIOHTTP1

/// Who may do what, by the keys of `[auth]`.
struct AccessControl: Sendable {
    private let isEnabled: Bool
    private let keys: [[UInt8]]
    private let readonlyKeys: [[UInt8]]

    init(_ auth: Configuration.Auth) {
        isEnabled = auth.enabled
        keys = auth.apiKeys.map { Array($0.utf8) }
        readonlyKeys = auth.readonlyKeys.map { Array($0.utf8) }
    }

    /// Throws where the headers hold no key that allows such access. Paths that don't exist ask for a key too, so that
    /// nobody learns without one what exists.
    func check(_ access: Route.Access?, _ headers: HTTPHeaders) throws(GrapeError) {
        try check(access) { headers.first(name: $0) }
    }

    /// - Parameter header: the first value of a header or of gRPC metadata, by its name in lower case.
    func check(_ access: Route.Access?, header: (String) -> String?) throws(GrapeError) {
        guard isEnabled, access != .open else { return }
        guard let key = Self.key(header) else {
            throw GrapeError(
                .unauthorized, "this call needs a key: header \"Authorization: Bearer KEY\" or \"api-key: KEY\"")
        }
        let given = Array(key.utf8)
        let isFull = Self.isAny(of: keys, given)
        let isReadonly = Self.isAny(of: readonlyKeys, given)
        if isFull { return }
        guard isReadonly else { throw GrapeError(.unauthorized, "the key is not one of this server's") }
        if access == .write { throw GrapeError(.forbidden, "the key allows reading only") }
    }

    private static func key(_ header: (String) -> String?) -> Substring? {
        if let key = header("api-key") { return key[...] }
        guard let text = header("authorization"), let space = text.firstIndex(of: " "),
            text[..<space].lowercased() == "bearer"
        else { return nil }
        return text[space...].drop { $0 == " " }
    }

    /// Compares with every key, and every byte, so that the time tells nothing of how much was right.
    private static func isAny(of keys: [[UInt8]], _ given: [UInt8]) -> Bool {
        var found = false
        for key in keys {
            var difference = key.count ^ given.count
            for place in given.indices where !key.isEmpty {
                difference |= Int(given[place] ^ key[place % key.count])
            }
            if difference == 0 { found = true }
        }
        return found
    }
}
