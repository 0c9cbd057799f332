/// Why the server can't start with the configuration it was given: one line for the operator, without secrets.
///
/// The form is `PLACE: table.key: found X, expected Y (did you mean Z?)`, where PLACE is `FILE:LINE`, the name of an
/// environment variable, or a flag.
package struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    /// An error that concerns no single key.
    init(_ description: String) {
        self.description = ConfigurationValue.printable(description, charactersMax: 1_000)
    }

    init(at origin: ConfigurationOrigin, key: String, found: String, expected: String, suggestion: String? = nil) {
        let place = origin == .builtIn ? "" : "\(origin): "
        let question = suggestion.map { " (did you mean \($0)?)" } ?? ""
        self.init("\(place)\(key): found \(found), expected \(expected)\(question)")
    }
}

/// Where a value came from, lowest precedence first.
package enum ConfigurationOrigin: Sendable, Hashable, CustomStringConvertible {
    case builtIn
    /// nil: the line is not known.
    case file(name: String, line: Int?)
    case environment(variable: String)
    case flag(String)

    var precedence: Int {
        switch self {
        case .builtIn: 0
        case .file: 1
        case .environment: 2
        case .flag: 3
        }
    }

    package var description: String {
        switch self {
        case .builtIn: "built-in default"
        case .file(let name, let line): line.map { "\(name):\($0)" } ?? name
        case .environment(let variable): variable
        case .flag(let name): name
        }
    }
}
