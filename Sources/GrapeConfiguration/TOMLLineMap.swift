/// The line on which each key and table of a TOML document first stands.
///
/// The parser gives lines for syntax errors only, so this scans the text a second time, for a document that the
/// parser takes. It follows table headers, dotted and quoted keys and inline tables, and skips strings,
/// comments and arrays. Where it finds nothing (an escape sequence in a key, a table inside an array), the caller takes
/// the line of the enclosing table.
///
/// It also serves as a check before parsing. At some mistakes the parser ends the process by an assertion instead of
/// reporting them: `[` without a name after it, `}` where an array's element should start, a space beyond ASCII, a
/// date before a lone digit. It must never see those. Up to the first mistake in a text, the scan and the parser agree on what is what.
struct TOMLLineMap {
    /// The first mistake that the parser must not see.
    private(set) var fault: Fault?
    private var lines: [[String]: Int] = [:]

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var lineStart = 0
    private var depth = 0
    private var currentTable: [String] = []

    struct Fault {
        let line: Int
        let column: Int
        let message: String
    }

    /// Nested arrays and tables that are followed; the parser refuses more than 256.
    private static let depthMax = 300

    init(of bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: Self.byteOrderMark) { position = Self.byteOrderMark.count }
        while skipBlank(includingNewlines: true) {
            if peek == UInt8(ascii: "[") {
                readHeader()
            } else {
                readPair(in: currentTable)
            }
        }
    }

    /// Line of the key at `path`, or else of the nearest enclosing table.
    func line(of path: [String]) -> Int? {
        var path = path
        while !path.isEmpty {
            if let line = lines[path] { return line }
            path.removeLast()
        }
        return nil
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func advance() {
        if peek == UInt8(ascii: "\n") {
            line += 1
            lineStart = position + 1
        }
        position += 1
    }

    private mutating func advance(_ count: Int) {
        for _ in 0..<count { advance() }
    }

    private mutating func reportFault(_ message: String) {
        if fault == nil { fault = Fault(line: line, column: position - lineStart + 1, message: message) }
    }

    /// Records `path` and the tables above it, each at its first line.
    private mutating func record(_ path: [String], at line: Int) {
        for length in 1...max(1, path.count) where length <= path.count {
            let prefix = Array(path.prefix(length))
            if lines[prefix] == nil { lines[prefix] = line }
        }
    }
}

// Tables and keys
extension TOMLLineMap {
    /// `[a.b]` or `[[a.b]]`.
    private mutating func readHeader() {
        let start = line
        advance()
        // Blanks between the brackets are for the parser to refuse.
        if skipBlank(includingNewlines: false), peek == UInt8(ascii: "[") { advance() }
        currentTable = readPath()
        if currentTable.isEmpty { reportFault("expected the name of a table after '['") }
        record(currentTable, at: start)
        while peek == UInt8(ascii: "]") { advance() }
    }

    /// `key = value`. Always moves on, whatever it meets.
    private mutating func readPair(in table: [String]) {
        let before = position
        let start = line
        let path = table + readPath()
        record(path, at: start)
        if peek == UInt8(ascii: "=") {
            advance()
            readValue(of: path)
        }
        if position == before { advance() }
    }

    /// Parts of a key, `a."b c".d`; ends before what can't belong to a key.
    private mutating func readPath() -> [String] {
        var path: [String] = []
        while skipBlank(includingNewlines: false) {
            guard let part = readPart() else { break }
            path.append(part)
            guard skipBlank(includingNewlines: false), peek == UInt8(ascii: ".") else { break }
            advance()
        }
        return path
    }

    private mutating func readPart() -> String? {
        if peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") {
            let start = position + 1
            skipString()
            return String(decoding: bytes[start..<max(start, position - 1)], as: UTF8.self)
        }
        let start = position
        while let byte = peek, Self.isBareKeyByte(byte) { advance() }
        return position == start ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private static func isBareKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
}

// Values
extension TOMLLineMap {
    private mutating func readValue(of path: [String]) {
        guard skipBlank(includingNewlines: true), let byte = peek else { return }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else {
            position = bytes.count
            return
        }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): skipString()
        case UInt8(ascii: "["): readElements(of: path)
        case UInt8(ascii: "{"): readInlineTable(at: path)
        default: skipScalar()
        }
    }

    private mutating func readElements(of path: [String]) {
        advance()
        while skipBlank(includingNewlines: true), peek != UInt8(ascii: "]") {
            if peek == UInt8(ascii: "}") { reportFault("expected a value or ']', saw '}'") }
            if peek == UInt8(ascii: ",") { advance() } else { readValue(of: path) }
        }
        advance()
    }

    private mutating func readInlineTable(at path: [String]) {
        advance()
        while skipBlank(includingNewlines: true), peek != UInt8(ascii: "}") {
            if peek == UInt8(ascii: ",") { advance() } else { readPair(in: path) }
        }
        advance()
    }

    private mutating func skipScalar() {
        let ends: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "#")]
        let start = position
        while let byte = peek, byte != UInt8(ascii: "\n"), !ends.contains(byte) {
            if byte != UInt8(ascii: "\t") && byte != UInt8(ascii: "\r") { refuseUnlessASCII(byte) }
            advance()
        }
        if looksLikeSpacedDateTime(bytes[start..<min(position, bytes.count)]) {
            reportFault("expected no date, as no key takes one")
        }
        if position == start { advance() }
    }

    /// `1979-05-27 7…`: the parser takes it for a date and time without looking whether the time is whole.
    private func looksLikeSpacedDateTime(_ scalar: ArraySlice<UInt8>) -> Bool {
        let text = Array(scalar.prefix(12))
        let digit = UInt8(ascii: "0")...UInt8(ascii: "9")
        return text.count == 12 && text[4] == UInt8(ascii: "-") && text[7] == UInt8(ascii: "-")
            && text[10] == UInt8(ascii: " ") && digit.contains(text[11])
    }

    /// Skips a string of any of the four kinds, quotes included.
    private mutating func skipString() {
        guard let quote = peek else { return }
        let isMultiline = hasRun(of: quote, count: 3)
        let quoteCount = isMultiline ? 3 : 1
        advance(quoteCount)
        while let byte = peek {
            if byte == UInt8(ascii: "\\") && quote == UInt8(ascii: "\"") {
                advance(2)
            } else if hasRun(of: quote, count: quoteCount) {
                // A multi-line string may end in up to two quotes of its own before the closing three.
                while isMultiline && hasRun(of: quote, count: 4) { advance() }
                return advance(quoteCount)
            } else {
                advance()
            }
        }
    }

    private func hasRun(of byte: UInt8, count: Int) -> Bool {
        position + count <= bytes.count && bytes[position..<position + count].allSatisfy { $0 == byte }
    }

    /// Skips spaces and, where they are allowed, line ends and comments. Returns whether anything is left.
    private mutating func skipBlank(includingNewlines: Bool) -> Bool {
        while let byte = peek {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): advance()
            case UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                guard includingNewlines else { return true }
                advance()
            case UInt8(ascii: "#"):
                guard includingNewlines else { return true }
                while peek.map({ $0 != UInt8(ascii: "\n") }) ?? false { advance() }
            default:
                refuseUnlessASCII(byte)
                return true
            }
        }
        return false
    }

    /// Outside strings and comments TOML is printable ASCII.
    private mutating func refuseUnlessASCII(_ byte: UInt8) {
        if !(0x20..<0x7F).contains(byte) { reportFault("expected printable ASCII characters outside strings") }
    }
}
