import TOMLKit

/// One key of a file with its value, in the order of lines.
struct ConfigurationSetting {
    let key: ConfigurationKey
    let value: ConfigurationValue
    let origin: ConfigurationOrigin
}

extension ConfigurationFile {
    /// The settings in the file. Throws the first mistake, by line, in syntax or names; values are judged by their keys.
    func settings() throws(ConfigurationError) -> [ConfigurationSetting] {
        let text = try validText()
        let lines = TOMLLineMap(of: bytes)
        if let fault = lines.fault {
            throw ConfigurationError("\(name):\(fault.line): syntax error at column \(fault.column): \(fault.message)")
        }
        let document: TOMLTable
        do {
            document = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let place = "\(name):\(error.source.begin.line)"
            throw ConfigurationError(
                "\(place): syntax error at column \(error.source.begin.column): \(Self.trimmed(error.description))")
        } catch {
            throw ConfigurationError("\(name): syntax error: \(error)")
        }
        var reader = TOMLSettingReader(fileName: name, lines: lines)
        reader.read(document)
        if let mistake = reader.mistakes.min(by: { $0.line < $1.line }) { throw mistake.error }
        return reader.settings.sorted { $0.line < $1.line }.map(\.setting)
    }

    /// The contents as text that the parser can take: UTF-8 without NUL, written or escaped, which would end a C
    /// string early.
    private func validText() throws(ConfigurationError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError(
                "\(name):\(lineOfInvalidByte()): found bytes that are not UTF-8, expected UTF-8 text")
        }
        for nul in ["\0", "\\u0000", "\\U00000000"] {
            guard let range = text.firstRange(of: nul) else { continue }
            let line = 1 + text.utf8[..<range.lowerBound].count { $0 == UInt8(ascii: "\n") }
            throw ConfigurationError("\(name):\(line): found a NUL character, expected text without")
        }
        return text
    }

    private func lineOfInvalidByte() -> Int {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var line = 1
        decoding: while true {
            switch decoder.decode(&iterator) {
            case .scalarValue("\n"): line += 1
            case .scalarValue: continue
            case .emptyInput, .error: break decoding
            }
        }
        return line
    }

    /// The parser's sentence without a final full stop or line end.
    private static func trimmed(_ text: String) -> String {
        let trimmed = text.trimmingASCIIWhitespace
        return trimmed.hasSuffix(".") ? String(trimmed.dropLast()) : trimmed
    }
}

/// Walks a parsed document and sorts what it finds into settings and mistakes.
private struct TOMLSettingReader {
    let fileName: String
    let lines: TOMLLineMap
    var settings: [(line: Int, setting: ConfigurationSetting)] = []
    var mistakes: [(line: Int, error: ConfigurationError)] = []

    mutating func read(_ document: TOMLTable) {
        for name in document.keys {
            guard let value = document[name] else { continue }
            guard ConfigurationKey.tables.contains(name) else {
                report(
                    [name], found: value.type == .table ? "an unknown table" : "an unknown key",
                    expected: "one of the tables " + ConfigurationKey.tables.joined(separator: ", "),
                    suggestion: suggestion(forTopLevel: name))
                continue
            }
            if let table = value.table {
                read(table, named: name)
            } else {
                report([name], found: ConfigurationValue(value).found, expected: "a table, [\(name)]")
            }
        }
    }

    private mutating func read(_ table: TOMLTable, named tableName: String) {
        for name in table.keys {
            guard let value = table[name] else { continue }
            let path = [tableName, name]
            if let key = ConfigurationKey.named(name, in: tableName) {
                let origin = ConfigurationOrigin.file(name: fileName, line: lines.line(of: path))
                let setting = ConfigurationSetting(key: key, value: ConfigurationValue(value), origin: origin)
                settings.append((lines.line(of: path) ?? 0, setting))
            } else {
                let names = ConfigurationKey.all.filter { $0.table == tableName }.map(\.name)
                report(
                    path, found: "an unknown key", expected: "one of " + names.joined(separator: ", "),
                    suggestion: ConfigurationKey.suggestion(for: name, in: tableName))
            }
        }
    }

    private func suggestion(forTopLevel name: String) -> String? {
        NearestName.among(ConfigurationKey.tables, to: name) ?? ConfigurationKey.suggestion(for: name, in: "")
    }

    private mutating func report(_ path: [String], found: String, expected: String, suggestion: String? = nil) {
        let line = lines.line(of: path)
        let key = path.map { ConfigurationValue.printable($0, charactersMax: 60) }.joined(separator: ".")
        let error = ConfigurationError(
            at: .file(name: fileName, line: line), key: key, found: found, expected: expected, suggestion: suggestion)
        mistakes.append((line ?? 0, error))
    }
}

extension ConfigurationValue {
    fileprivate init(_ value: some TOMLValueConvertible) {
        switch value.type {
        case .int: self = value.int.map { .integer($0) } ?? .other("an integer")
        case .double: self = value.double.map { .number($0) } ?? .other("a number")
        case .bool: self = value.bool.map { .boolean($0) } ?? .other("a boolean")
        case .string: self = value.string.map { .text($0) } ?? .other("a string")
        case .array: self = value.array.map { .list($0.map { ConfigurationValue($0) }) } ?? .other("an array")
        case .table: self = .other("a table")
        case .date: self = .other("a date")
        case .time: self = .other("a time of day")
        case .dateTime: self = .other("a date and time")
        }
    }
}
