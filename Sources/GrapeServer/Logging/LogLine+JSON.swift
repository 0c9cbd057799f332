import Logging

extension LogLine {
    /// One JSON object with the fields ts, level, logger, msg and, where there is any, metadata.
    package func json() -> String {
        var budget = LogTextBudget()
        var line = "{\"ts\":\"\(timestamp)\",\"level\":\"\(levelName)\""
        line += ",\"logger\":\(Self.quoted(budget.take(label))),\"msg\":\(Self.quoted(budget.take(message)))"
        if !metadata.isEmpty { line += ",\"metadata\":\(Self.object(metadata, &budget, depth: 0))" }
        return line + "}\n"
    }

    /// Levels of nested metadata; deeper values are written as text.
    private static let depthMax = 8

    private static func object(_ metadata: Logger.Metadata, _ budget: inout LogTextBudget, depth: Int) -> String {
        var fields: [String] = []
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !budget.isSpent {
            let name = quoted(budget.take(key))
            fields.append("\(name):\(Self.value(value, &budget, depth: depth))")
        }
        return "{\(fields.joined(separator: ","))}"
    }

    private static func value(_ value: Logger.MetadataValue, _ budget: inout LogTextBudget, depth: Int) -> String {
        switch value {
        case .dictionary(let metadata) where depth < depthMax: return object(metadata, &budget, depth: depth + 1)
        case .array(let values) where depth < depthMax:
            var elements: [String] = []
            for element in values where !budget.isSpent {
                elements.append(Self.value(element, &budget, depth: depth + 1))
            }
            return "[\(elements.joined(separator: ","))]"
        default: return quoted(budget.take(value.description))
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.isUnsafeInLogs:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
