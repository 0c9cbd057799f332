/// A value as read from a file, a variable or a flag, before any key has accepted it.
package enum ConfigurationValue: Sendable, Hashable {
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case text(String)
    case list([ConfigurationValue])
    /// Something that no key takes, by its kind: "a table", "a date".
    case other(String)

    /// The value as an error message shows it: short, on one line, strings in quotes.
    var found: String {
        switch self {
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .boolean(let value): String(value)
        case .text(let value): Self.quoted(value)
        case .list: "an array"
        case .other(let kind): kind
        }
    }

    /// Only the kind, for values that must not be shown.
    var kind: String {
        switch self {
        case .integer: "an integer"
        case .number: "a number with a fraction"
        case .boolean: "a boolean"
        case .text: "a string that does not fit"
        case .list: "an array"
        case .other(let kind): kind
        }
    }

    /// `text` in quotes with control characters escaped, cut where a message would become unreadable.
    static func quoted(_ text: String) -> String { "\"" + printable(text, charactersMax: 60) + "\"" }

    /// `text` as one line of at most `charactersMax` characters.
    static func printable(_ text: String, charactersMax: Int) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(charactersMax) {
            result += isShown(scalar) ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
        }
        return text.unicodeScalars.count > charactersMax ? result + "…" : result
    }

    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
        default: true
        }
    }
}
