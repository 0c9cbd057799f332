/// Reads flags that set keys: `--server.rest-port 7333`, `--server.rest-port=7333`, and the short `--rest-port 7333`.
///
/// A boolean may stand without a value and is then true. A flag given twice keeps its last value, so that scripts can
/// append to a command line.
package enum ConfigurationFlags {
    package static func parse(_ arguments: [String]) throws(ConfigurationError) -> [ConfigurationOverride] {
        var overrides: [ConfigurationOverride] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--"), argument.count > 2 else {
                throw ConfigurationError(
                    "command line: found \(ConfigurationValue.quoted(argument)), expected a flag; see --help")
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(parts[0])
            let key = try key(of: flag)
            let text = try parts.count == 2 ? String(parts[1]) : value(of: key, flag: flag, in: &rest)
            overrides.append(ConfigurationOverride(key: key, text: text, origin: .flag(flag)))
        }
        return overrides
    }

    private static func key(of flag: String) throws(ConfigurationError) -> ConfigurationKey {
        let wanted = NearestName.normalized(String(flag.dropFirst(2)))
        for key in ConfigurationKey.all {
            let names = [key.flagName] + (key.shortFlag.map { [$0] } ?? [])
            if names.contains(where: { NearestName.normalized($0) == wanted }) { return key }
        }
        throw ConfigurationError(
            at: .flag("command line"), key: ConfigurationValue.printable(flag, charactersMax: 60),
            found: "an unknown flag", expected: "a flag listed by --help", suggestion: suggestion(for: flag))
    }

    private static func suggestion(for flag: String) -> String? {
        let name = String(flag.dropFirst(2))
        let names = ConfigurationKey.all.flatMap { [$0.flagName] + ($0.shortFlag.map { [$0] } ?? []) }
        let commands = ["config", "check", "version", "help"]
        if let near = NearestName.among(commands + names, to: name) { return "--\(near)" }
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        let table = parts.count == 2 ? parts[0] : ""
        let near = ConfigurationKey.suggestion(for: parts.last ?? name, in: table)
        return near.flatMap { near in ConfigurationKey.all.first { $0.fullName == near } }.map { "--\($0.flagName)" }
    }

    private static func value(
        of key: ConfigurationKey, flag: String, in rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> String {
        let next = rest.first.flatMap { $0.hasPrefix("--") ? nil : $0 }
        if key.kind == .boolean {
            guard let next, ConfigurationKey.Kind.boolean(next) != nil else { return "true" }
            rest.removeFirst()
            return next
        }
        guard let next else {
            throw ConfigurationError(
                at: .flag(flag), key: key.fullName, found: "no value", expected: key.kind.expected)
        }
        rest.removeFirst()
        return next
    }
}
