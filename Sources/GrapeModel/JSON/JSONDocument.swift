// HOT PATH
import CSimdJSON

/// A parsed JSON text: simdjson's tape and its decoded strings, copied into arrays that this value owns.
///
/// The tape (simdjson, `doc/tape.md`) is an array of words with a type character in the top byte. Word 0 and the last
/// word are the root; the value begins at word 1. An array or object holds in its low 32 bits the position behind its
/// closing word; a number is followed by a word with its value; a string holds the offset of its length (32 bits) and
/// bytes in `strings`. The keys of an object are strings before their values.
///
/// Invariant: `tape` and `strings` were written by `grape_json_parse` of one text, so positions in them are in range
/// and every string is valid UTF-8.
package struct JSONDocument: Sendable {
    private(set) var tape: [UInt64]
    private(set) var strings: [UInt8]

    /// Arrays that are longer than this are given back before the next text, which may need much less.
    private static let keptCount = 1 << 16

    /// The document `null`, to be used with `reparse`.
    package init() {
        tape = [Self.word("r", 3), Self.word("n", 0), Self.word("r", 0)]
        strings = []
    }

    /// Throws `.invalidRequest`, saying what is wrong and at which byte.
    package init(parsing text: [UInt8]) throws(GrapeError) {
        try unsafe self.init(parsing: text.span.bytes)
    }

    package init(parsing text: RawSpan) throws(GrapeError) {
        tape = []
        strings = []
        try reparse(text)
    }

    /// Parses another text into the same arrays. After an error the document is `null`.
    package mutating func reparse(_ text: [UInt8]) throws(GrapeError) {
        try unsafe reparse(text.span.bytes)
    }

    package mutating func reparse(_ text: RawSpan) throws(GrapeError) {
        if tape.count > Self.keptCount { tape = [] }
        if strings.count > Self.keptCount { strings = [] }
        var sizes = grape_json_sizes()
        var status = parse(text, &sizes)
        if status == GRAPE_JSON_DOES_NOT_FIT {
            take(sizes)
            status = GRAPE_JSON_OK
        }
        guard status == GRAPE_JSON_OK else {
            self = JSONDocument()
            throw JSONSyntax.error(status, in: text)
        }
    }

    private mutating func parse(_ text: RawSpan, _ sizes: inout grape_json_sizes) -> grape_json_status {
        let tapeCapacity = tape.count
        let stringCapacity = strings.count
        return unsafe text.withUnsafeBytes { bytes in
            unsafe grape_json_parse(
                bytes.baseAddress, bytes.count, Limits.jsonDepthMax, &tape, tapeCapacity, &strings, stringCapacity,
                &sizes)
        }
    }

    /// Copies what the parser holds into new arrays, which are not zeroed first.
    private mutating func take(_ sizes: grape_json_sizes) {
        tape = [UInt64](capacity: sizes.tape_words) { output in
            unsafe output.withUnsafeMutableBufferPointer { words, count in
                unsafe grape_json_take(words.baseAddress, nil)
                count = sizes.tape_words
            }
        }
        strings = [UInt8](capacity: sizes.string_bytes) { output in
            unsafe output.withUnsafeMutableBufferPointer { bytes, count in
                unsafe grape_json_take(nil, bytes.baseAddress)
                count = sizes.string_bytes
            }
        }
        grape_json_release()
    }

    private static func word(_ tag: Unicode.Scalar, _ value: UInt64) -> UInt64 {
        UInt64(tag.value) << 56 | value
    }
}

// MARK: - Positions

/// A tape word's type character.
enum JSONTag {
    static let null = UInt8(ascii: "n")
    static let yes = UInt8(ascii: "t")
    static let no = UInt8(ascii: "f")
    static let integer = UInt8(ascii: "l")
    static let unsigned = UInt8(ascii: "u")
    static let double = UInt8(ascii: "d")
    static let string = UInt8(ascii: "\"")
    static let array = UInt8(ascii: "[")
    static let object = UInt8(ascii: "{")
}

/// Reading by position on the tape, for loops that must not make a `Node` a step (a node retains the arrays).
extension JSONDocument {
    /// Position of the outermost value.
    static let rootPosition = 1

    func tag(at position: Int) -> UInt8 { UInt8(truncatingIfNeeded: tape[position] >> 56) }

    /// Position behind the value at `position`.
    func position(after position: Int) -> Int {
        switch tag(at: position) {
        case JSONTag.array, JSONTag.object: Int(tape[position] & 0xffff_ffff)
        case JSONTag.integer, JSONTag.unsigned, JSONTag.double: position + 2
        default: position + 1
        }
    }

    /// Position of the closing word of the array or object at `position`.
    func end(of position: Int) -> Int { Int(tape[position] & 0xffff_ffff) - 1 }

    /// Where the bytes of the string at `position` are in `strings`.
    func stringRange(at position: Int) -> Range<Int> {
        let offset = Int(tape[position] & 0x00ff_ffff_ffff_ffff)
        let count = unsafe strings.span.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return offset + 4..<offset + 4 + Int(count)
    }

    func string(at position: Int, equals text: Span<UInt8>) -> Bool {
        let range = stringRange(at: position)
        guard range.count == text.count else { return false }
        let bytes = strings.span.extracting(range)
        for index in 0..<text.count where bytes[index] != text[index] { return false }
        return true
    }

    /// The number at `position`; nil where the value is none.
    func number(at position: Int) -> JSONNumber? {
        switch tag(at: position) {
        case JSONTag.integer: .integer(Int64(bitPattern: tape[position + 1]))
        case JSONTag.unsigned: .unsigned(tape[position + 1])
        case JSONTag.double: .double(Double(bitPattern: tape[position + 1]))
        default: nil
        }
    }
}
