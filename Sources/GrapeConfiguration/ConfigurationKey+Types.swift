import GrapeModel

// Constructors of keys, one for each type of property. Each checks the value's type and range where it is stored, so
// no source of values can go round the check.

/// A key path that may cross threads; `ConfigurationKey.all` is shared by every caller.
typealias ConfigurationPath<Value> = WritableKeyPath<Configuration, Value> & Sendable

extension ConfigurationKey {
    static func integer(
        _ table: String, _ name: String, _ path: ConfigurationPath<Int>, _ range: ClosedRange<Int>, _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .integer(range), summary: summary) { value, configuration in
            guard case .integer(let number) = value, range.contains(number) else { return value }
            configuration[keyPath: path] = number
            return nil
        } literal: {
            String($0[keyPath: path])
        }
    }

    static func integer(
        _ table: String, _ name: String, _ path: ConfigurationPath<Int?>, _ range: ClosedRange<Int>, _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .integer(range), summary: summary) { value, configuration in
            guard case .integer(let number) = value, range.contains(number) else { return value }
            configuration[keyPath: path] = number
            return nil
        } literal: {
            $0[keyPath: path].map { String($0) }
        }
    }

    static func number(
        _ table: String, _ name: String, _ path: ConfigurationPath<Double>, _ range: ClosedRange<Double>,
        _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .number(range), summary: summary) { value, configuration in
            let number: Double
            switch value {
            case .number(let double): number = double
            case .integer(let integer): number = Double(integer)
            default: return value
            }
            // Not a number is in no range.
            guard range.contains(number) else { return value }
            configuration[keyPath: path] = number
            return nil
        } literal: {
            String($0[keyPath: path])
        }
    }

    static func boolean(
        _ table: String, _ name: String, _ path: ConfigurationPath<Bool>, _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .boolean, summary: summary) { value, configuration in
            guard case .boolean(let flag) = value else { return value }
            configuration[keyPath: path] = flag
            return nil
        } literal: {
            String($0[keyPath: path])
        }
    }

    static func boolean(
        _ table: String, _ name: String, _ path: ConfigurationPath<Bool?>, _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .boolean, summary: summary) { value, configuration in
            guard case .boolean(let flag) = value else { return value }
            configuration[keyPath: path] = flag
            return nil
        } literal: {
            $0[keyPath: path].map { String($0) }
        }
    }

    static func choice<Value: ConfigurationChoice>(
        _ table: String, _ name: String, _ path: ConfigurationPath<Value>, _ summary: String
    ) -> Self {
        let names = Value.allCases.map(\.name)
        return Self(table: table, name: name, kind: .choice(names), summary: summary) { value, configuration in
            guard case .text(let text) = value else { return value }
            guard let choice = Value.allCases.first(where: { $0.name == text }) else { return value }
            configuration[keyPath: path] = choice
            return nil
        } literal: {
            TOMLText.quoted($0[keyPath: path].name)
        }
    }
}

extension ConfigurationKey {
    static func text<Value: Sendable>(
        _ table: String, _ name: String, _ path: ConfigurationPath<Value>, _ form: TextForm<Value>, _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .text(expected: form.expected), summary: summary) { value, configuration in
            guard case .text(let text) = value, let parsed = form.parse(text) else { return value }
            configuration[keyPath: path] = parsed
            return nil
        } literal: {
            TOMLText.quoted(form.text($0[keyPath: path]))
        }
    }

    static func text<Value: Sendable>(
        _ table: String, _ name: String, _ path: ConfigurationPath<Value?>, _ form: TextForm<Value>, _ summary: String
    ) -> Self {
        Self(table: table, name: name, kind: .text(expected: form.expected), summary: summary) { value, configuration in
            guard case .text(let text) = value, let parsed = form.parse(text) else { return value }
            configuration[keyPath: path] = parsed
            return nil
        } literal: {
            $0[keyPath: path].map { TOMLText.quoted(form.text($0)) }
        }
    }

    static func list<Value: Sendable>(
        _ table: String, _ name: String, _ path: ConfigurationPath<[Value]>, _ form: TextForm<Value>, _ summary: String
    ) -> Self {
        let kind = Kind.list(expected: "strings, each " + form.expected)
        return Self(table: table, name: name, kind: kind, summary: summary) { value, configuration in
            guard case .list(let elements) = value, elements.count <= Self.elementsMax else { return value }
            var parsed: [Value] = []
            for element in elements {
                guard case .text(let text) = element, let one = form.parse(text) else { return element }
                parsed.append(one)
            }
            configuration[keyPath: path] = parsed
            return nil
        } literal: {
            "[" + $0[keyPath: path].map { TOMLText.quoted(form.text($0)) }.joined(separator: ", ") + "]"
        }
    }

    /// Elements of one array.
    private static var elementsMax: Int { 1_024 }
}

/// How a value of a type other than String is written as a string.
struct TextForm<Value: Sendable>: Sendable {
    let expected: String
    let parse: @Sendable (String) -> Value?
    let text: @Sendable (Value) -> String
}

extension TextForm where Value == String {
    /// A file system path. NUL would end it early in the system call.
    static var path: Self {
        Self(expected: "a path of 1 to 4096 bytes") {
            (1...4_096).contains($0.utf8.count) && !$0.utf8.contains(0) ? $0 : nil
        } text: {
            $0
        }
    }

    static var host: Self {
        Self(expected: "an IP address or host name") { text in
            // A port makes HostPort the judge of what a host may contain.
            let isIPv6 = text.contains(":") && !text.hasPrefix("[")
            return HostPort(text: isIPv6 ? "[\(text)]:1" : "\(text):1").map(\.host)
        } text: {
            $0
        }
    }

    static var nodeID: Self {
        Self(expected: "1 to 128 letters, digits, dots, dashes or underscores") {
            PeerAddress.isNodeID($0) ? $0 : nil
        } text: {
            $0
        }
    }

    /// A secret that also fits an HTTP header.
    static var secret: Self {
        Self(expected: "1 to 512 printable ASCII characters without spaces") {
            let fits = (1...512).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            return fits ? $0 : nil
        } text: {
            $0
        }
    }
}

extension TextForm where Value == HostPort {
    static var address: Self {
        Self(expected: "\"host:port\" with a port from 1 to 65535") {
            HostPort(text: $0)
        } text: {
            $0.description
        }
    }
}

extension TextForm where Value == PeerAddress {
    static var member: Self {
        Self(expected: "\"id@host:port\"") { text in
            PeerAddress(text: text).flatMap { $0.nodeID == nil ? nil : $0 }
        } text: {
            $0.description
        }
    }

    static var seed: Self {
        Self(expected: "\"id@host:port\" or \"host:port\"") {
            PeerAddress(text: $0)
        } text: {
            $0.description
        }
    }
}

/// TOML's way to write a string.
enum TOMLText {
    static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
