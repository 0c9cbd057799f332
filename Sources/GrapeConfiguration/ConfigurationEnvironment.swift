/// Reads `GRAPE_…` variables.
///
/// 1. `GRAPE_<TABLE>_<KEY>` for every key, and the short names of `ConfigurationKey.shortVariable`.
/// 2. An empty variable counts as unset, as compose files produce it from a missing value.
/// 3. `GRAPE_<TABLE>_…` that names no key is an error; every other `GRAPE_…` variable belongs to somebody else, and only
///    one that looks like a mistyped name is worth a warning.
/// 4. Kubernetes sets variables such as `GRAPE_SERVER_PORT=tcp://…` for each service of the namespace. They are
///    recognised by their form and ignored, or a service's name could keep the server from starting.
enum ConfigurationEnvironment {
    static func read(
        _ environment: [String: String]
    ) throws(ConfigurationError) -> (overrides: [ConfigurationOverride], warnings: [String]) {
        var overrides: [ConfigurationOverride] = []
        var warnings: [String] = []
        // Sorted, so that of several mistakes the same one is named each time.
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("GRAPE_") {
            if text.isEmpty || isServiceLink(name, text) { continue }
            if let override = override(named: name, text: text) {
                overrides.append(override)
            } else if let table = table(of: name) {
                throw unknown(name, table: table)
            } else if let near = NearestName.among(allNames, to: name, distanceMax: 2) {
                warnings.append("environment variable \(name) is not used (did you mean \(near)?)")
            }
        }
        try refuseContradictions(among: overrides)
        return (overrides, warnings)
    }

    private static let allNames: [String] = ConfigurationKey.all.flatMap { key in
        [key.environmentName] + (key.shortVariable.map { [$0] } ?? [])
    }

    private static func override(named name: String, text: String) -> ConfigurationOverride? {
        let origin = ConfigurationOrigin.environment(variable: name)
        if let key = ConfigurationKey.all.first(where: { $0.environmentName == name }) {
            return ConfigurationOverride(key: key, text: text, origin: origin)
        }
        guard let key = ConfigurationKey.all.first(where: { $0.shortVariable == name }) else { return nil }
        // A short name is singular: GRAPE_API_KEY holds one key, commas and all.
        let isList = if case .list = key.kind { true } else { false }
        return ConfigurationOverride(key: key, text: text, origin: origin, isSingleElement: isList)
    }

    private static func table(of name: String) -> String? {
        ConfigurationKey.tables.first { name.hasPrefix("GRAPE_\($0.uppercased())_") }
    }

    private static func unknown(_ name: String, table: String) -> ConfigurationError {
        let keyName = name.dropFirst("GRAPE_\(table)_".count).lowercased()
        let near = ConfigurationKey.suggestion(for: keyName, in: table)
        let key = near.flatMap { near in ConfigurationKey.all.first { $0.fullName == near } }
        return ConfigurationError(
            at: .environment(variable: name),
            key: "\(table).\(ConfigurationValue.printable(keyName, charactersMax: 60))",
            found: "an unknown key",
            expected: "GRAPE_\(table.uppercased())_ and a key of [\(table)]", suggestion: key?.environmentName)
    }

    /// Two names of one key with different values: neither can be the one that was meant.
    private static func refuseContradictions(among overrides: [ConfigurationOverride]) throws(ConfigurationError) {
        for (position, later) in overrides.enumerated() {
            for earlier in overrides[..<position] where earlier.key.fullName == later.key.fullName {
                guard earlier.value != later.value else { continue }
                throw ConfigurationError(
                    at: later.origin, key: later.key.fullName, found: "another value than in \(earlier.origin)",
                    expected: "the same value in both, or one of them unset")
            }
        }
    }

    private static func isServiceLink(_ name: String, _ text: String) -> Bool {
        if ["tcp://", "udp://", "sctp://"].contains(where: { text.hasPrefix($0) }) { return true }
        if name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT") { return true }
        return name.contains("_SERVICE_PORT_") || name.contains("_TCP_") || name.contains("_UDP_")
    }
}
