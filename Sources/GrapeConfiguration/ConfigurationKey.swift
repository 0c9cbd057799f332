/// One key of the configuration: its names, what it takes, and where the value goes.
///
/// The file reader, the environment, the flags, the reference in `--help` and the nearest-key suggestions all work
/// from the same list, `ConfigurationKey.all`; no key is described anywhere else.
package struct ConfigurationKey: Sendable {
    package let table: String
    package let name: String
    package let kind: Kind
    /// One line for the operator: meaning and unit.
    package let summary: String
    /// Environment variable besides `environmentName`, where users expect a shorter one.
    package var shortVariable: String?
    /// Flag besides `--table.name`, without dashes.
    package var shortFlag: String?
    /// Secrets never appear in messages or logs.
    package var isSecret = false
    /// Stores the value, or returns the part of it that the key does not take.
    let store: @Sendable (ConfigurationValue, inout Configuration) -> ConfigurationValue?
    /// The value in `configuration` as it is written in TOML; nil where it is unset.
    package let literal: @Sendable (Configuration) -> String?

    /// What a key takes.
    package enum Kind: Sendable, Hashable {
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case boolean
        case text(expected: String)
        case choice([String])
        case list(expected: String)

        /// What is allowed, for messages and for the reference.
        package var expected: String {
            switch self {
            case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
            case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
            case .boolean: "true or false"
            case .text(let expected): expected
            case .choice(let names): "one of " + names.map { "\"\($0)\"" }.joined(separator: ", ")
            case .list(let expected): "an array of \(expected)"
            }
        }
    }

    /// `table.name`, as messages and documents write it.
    package var fullName: String { "\(table).\(name)" }
    package var environmentName: String { "GRAPE_\(table)_\(name)".uppercased() }
    package var flagName: String { fullName.replacing("_", with: "-") }
    /// Default in TOML; nil where the key is unset unless written.
    package var defaultLiteral: String? { literal(Configuration()) }
}

extension ConfigurationKey.Kind {
    /// The value that `text`, from a variable or a flag, stands for. What can't be read stays text, which the key then
    /// refuses like a wrong type in a file.
    func value(of text: String) -> ConfigurationValue {
        let trimmed = text.trimmingASCIIWhitespace
        switch self {
        case .integer: return Int(trimmed).map { .integer($0) } ?? .text(text)
        case .number: return Double(trimmed).map { .number($0) } ?? .text(text)
        case .boolean: return Self.boolean(trimmed).map { .boolean($0) } ?? .text(text)
        case .text: return .text(text)
        case .choice: return .text(trimmed)
        case .list:
            let parts = text.split(separator: ",").map { String($0).trimmingASCIIWhitespace }
            return .list(parts.filter { !$0.isEmpty }.map { .text($0) })
        }
    }

    static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "1": true
        case "false", "0": false
        default: nil
        }
    }
}

extension String {
    var trimmingASCIIWhitespace: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" || $0 == "\r\n" }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
