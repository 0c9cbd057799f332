import GrapeModel

/// One of a few named values.
package protocol ConfigurationChoice: CaseIterable, Sendable {
    /// Name in files, variables and flags.
    var name: String { get }
}

/// The least severe messages that are logged.
package enum LogLevel: String, Sendable, Hashable, ConfigurationChoice {
    case trace, debug, info, warn, error

    package var name: String { rawValue }
}

/// How log lines look: for people or for programs.
package enum LogFormat: String, Sendable, Hashable, ConfigurationChoice {
    case pretty, json

    package var name: String { rawValue }
}

extension DistanceMetric: ConfigurationChoice {}
