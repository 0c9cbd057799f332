extension Configuration {
    /// Puts the sources together, weakest first: built-in defaults, `file`, `environment`, `overrides` (flags), and
    /// checks the result.
    ///
    /// Everything comes in as a value, so the same call serves the server, `--check` and tests.
    package static func load(
        file: ConfigurationFile? = nil, environment: [String: String] = [:], overrides: [ConfigurationOverride] = [],
        hostName: String = "localhost"
    ) throws(ConfigurationError) -> Configuration {
        var loader = ConfigurationLoader()
        loader.configuration.hostName = hostName
        if let file {
            for setting in try file.settings() {
                try loader.apply(setting.value, to: setting.key, from: setting.origin)
            }
        }
        let variables = try ConfigurationEnvironment.read(environment)
        loader.configuration.warnings += variables.warnings
        for override in variables.overrides + overrides { try loader.apply(override) }
        return try loader.checked()
    }
}

/// A value for one key as text, from a variable or a flag.
package struct ConfigurationOverride: Sendable {
    package let key: ConfigurationKey
    package let text: String
    package let origin: ConfigurationOrigin
    /// Whether `text` is one element of a list even if it contains commas.
    var isSingleElement = false

    var value: ConfigurationValue { isSingleElement ? .list([.text(text)]) : key.kind.value(of: text) }
}

/// Collects values and remembers where each came from, so that a broken rule names the place to mend.
struct ConfigurationLoader {
    var configuration = Configuration()
    private var origins: [String: ConfigurationOrigin] = [:]

    mutating func apply(_ override: ConfigurationOverride) throws(ConfigurationError) {
        try apply(override.value, to: override.key, from: override.origin)
    }

    mutating func apply(
        _ value: ConfigurationValue, to key: ConfigurationKey, from origin: ConfigurationOrigin
    ) throws(ConfigurationError) {
        if let refused = key.store(value, &configuration) {
            throw ConfigurationError(
                at: origin, key: key.fullName, found: key.isSecret ? refused.kind : refused.found,
                expected: key.kind.expected)
        }
        origins[key.fullName] = origin
    }

    /// The configuration, if no rule between keys is broken.
    func checked() throws(ConfigurationError) -> Configuration {
        for violation in configuration.violations {
            let side = blamed(in: violation)
            throw ConfigurationError(at: origin(of: side), key: side.key, found: side.found, expected: side.expected)
        }
        var result = configuration
        result.warnings += configuration.oddities
        return result
    }

    /// The side of a broken rule that was set last: a flag before a variable before the file.
    private func blamed(in violation: ConfigurationViolation) -> ConfigurationViolation.Side {
        violation.others.reduce(violation.main) { blamed, side in
            origin(of: side).precedence > origin(of: blamed).precedence ? side : blamed
        }
    }

    private func origin(of side: ConfigurationViolation.Side) -> ConfigurationOrigin { origins[side.key] ?? .builtIn }
}
