import Logging

extension LogLine {
    /// `2026-11-21T04:01:48.123Z INFO  listening port=6333`, for people.
    package func pretty(inColour: Bool) -> String {
        var budget = LogTextBudget()
        let name = levelName.uppercased().padding(to: 5)
        let shownLevel = inColour ? "\u{1B}[\(Self.colour(of: level))m\(name)\u{1B}[0m" : name
        var line = "\(timestamp) \(shownLevel) \(Self.escaped(budget.take(message)))"
        for (key, value) in sortedMetadata where !budget.isSpent {
            line += " \(Self.escaped(budget.take(key)))=\(Self.word(budget.take(value.description)))"
        }
        return line + "\n"
    }

    private static func colour(of level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 90
        case .info, .notice: 32
        case .warning: 33
        case .error, .critical: 31
        }
    }

    /// A value that a reader can tell from what stands beside it.
    private static func word(_ text: String) -> String {
        let needsQuotes = text.isEmpty || text.contains { $0 == " " || $0 == "\"" || $0 == "=" }
        return needsQuotes ? "\"\(escaped(text.replacing("\"", with: "\\\"")))\"" : escaped(text)
    }

    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: \.isUnsafeInLogs) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.isUnsafeInLogs: result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
