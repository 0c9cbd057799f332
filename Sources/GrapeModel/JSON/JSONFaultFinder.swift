/// A plain reader of JSON's grammar that stops at the first byte which breaks it.
struct JSONFaultFinder {
    struct Fault: Error {
        let offset: Int
        let reason: String
    }

    static let tooDeep = "arrays and objects are nested deeper than \(Limits.jsonDepthMax)"

    private let text: [UInt8]
    private var at = 0

    init(_ text: [UInt8]) { self.text = text }

    mutating func firstFault() -> Fault? {
        if let offset = firstInvalidUTF8() { return Fault(offset: offset, reason: "not UTF-8") }
        do throws(Fault) {
            try value(depth: 0)
            skipSpace()
            return at < text.count ? Fault(offset: at, reason: "more after the end of the value") : nil
        } catch {
            return error
        }
    }

    /// Line and column in bytes, both from 1.
    func place(of offset: Int) -> String {
        let before = text.prefix(offset)
        let line = before.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return "line \(line), column \(offset - lineStart + 1)"
    }

    private func firstInvalidUTF8() -> Int? {
        var parser = Unicode.UTF8.ForwardParser()
        var bytes = text.makeIterator()
        var offset = 0
        while true {
            switch parser.parseScalar(from: &bytes) {
            case .valid(let scalar): offset += scalar.count
            case .emptyInput: return nil
            case .error: return offset
            }
        }
    }

    // MARK: Grammar

    private mutating func value(depth: Int) throws(Fault) {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): try list(closing: "}", depth: depth + 1, isObject: true)
        case UInt8(ascii: "["): try list(closing: "]", depth: depth + 1, isObject: false)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        case UInt8(ascii: "-"): try number()
        case let byte? where Self.isDigit(byte): try number()
        default: throw fault("expected a value")
        }
    }

    private mutating func list(closing: Unicode.Scalar, depth: Int, isObject: Bool) throws(Fault) {
        guard depth <= Limits.jsonDepthMax else { throw fault(Self.tooDeep) }
        at += 1
        skipSpace()
        if skip(closing) { return }
        repeat {
            if isObject { try key() }
            try value(depth: depth)
            skipSpace()
        } while skip(",")
        guard skip(closing) else { throw fault("expected , or \(closing)") }
    }

    private mutating func key() throws(Fault) {
        skipSpace()
        guard peek == UInt8(ascii: "\"") else { throw fault("expected a key in quotes") }
        try string()
        skipSpace()
        guard skip(":") else { throw fault("expected :") }
    }

    private mutating func word(_ word: String) throws(Fault) {
        guard text[at...].starts(with: word.utf8) else { throw fault("expected a value") }
        at += word.utf8.count
    }

    private mutating func string() throws(Fault) {
        at += 1
        while let byte = peek {
            if skip("\"") { return }
            guard byte >= 0x20 else { throw fault("a control character in a string, which must be escaped") }
            if byte == UInt8(ascii: "\\") { try escape() } else { at += 1 }
        }
        throw Fault(offset: at, reason: "a string without its closing quote")
    }

    private mutating func escape() throws(Fault) {
        let start = at
        at += 1
        guard let byte = peek, "\"\\/bfnrtu".utf8.contains(byte) else {
            throw Fault(offset: start, reason: "an unknown escape")
        }
        at += 1
        guard byte == UInt8(ascii: "u") else { return }
        let unit = try codeUnit(start)
        guard UTF16.isLeadSurrogate(unit) || UTF16.isTrailSurrogate(unit) else { return }
        guard UTF16.isLeadSurrogate(unit), skip("\\"), skip("u"), UTF16.isTrailSurrogate(try codeUnit(start)) else {
            throw Fault(offset: start, reason: "half of a surrogate pair")
        }
    }

    private mutating func codeUnit(_ start: Int) throws(Fault) -> UInt16 {
        let digits = text[at...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw Fault(offset: start, reason: "expected four hexadecimal digits behind \\u") }
        at += 4
        return unit
    }

    private mutating func number() throws(Fault) {
        let start = at
        let isNegative = skip("-")
        let leadingZero = peek == UInt8(ascii: "0")
        let whole = skipDigits()
        guard whole > 0, !leadingZero || whole == 1 else { throw Fault(offset: start, reason: "a malformed number") }
        let isInteger = try !fraction(start)
        let digits = String(decoding: text[start..<at], as: UTF8.self)
        if isInteger {
            guard isNegative ? Int64(digits) != nil : UInt64(digits) != nil else {
                throw Fault(offset: start, reason: "an integer beyond 64 bits")
            }
        } else if Double(digits)?.isFinite != true {
            throw Fault(offset: start, reason: "a number beyond a double")
        }
    }

    /// Reads what may follow a number's whole part; false if nothing does.
    private mutating func fraction(_ start: Int) throws(Fault) -> Bool {
        let point = skip(".")
        if point, skipDigits() == 0 { throw Fault(offset: start, reason: "a malformed number") }
        guard skip("e") || skip("E") else { return point }
        if !skip("+") { _ = skip("-") }
        if skipDigits() == 0 { throw Fault(offset: start, reason: "a malformed number") }
        return true
    }

    // MARK: Bytes

    private var peek: UInt8? { at < text.count ? text[at] : nil }

    private func fault(_ reason: String) -> Fault {
        Fault(offset: at, reason: at < text.count ? reason : "the text ends too early")
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private mutating func skipDigits() -> Int {
        let start = at
        while let byte = peek, Self.isDigit(byte) { at += 1 }
        return at - start
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private mutating func skipSpace() {
        while let byte = peek, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { at += 1 }
    }
}
