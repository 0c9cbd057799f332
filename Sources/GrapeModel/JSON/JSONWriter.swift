import CSimdJSON

/// Writes compact JSON, setting the commas itself.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.key("id")
///     writer.integer(7)
///     writer.endObject()      // writer.bytes: {"id":7}
///
/// The caller keeps to JSON's grammar: a key before each value of an object, every `begin` with its `end`.
package struct JSONWriter {
    /// What has been written so far, UTF-8.
    package private(set) var bytes: [UInt8]
    /// Whether a value stands before the next one on the same level.
    private var needsComma = false

    package init(capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func beginObject() { open("{") }
    package mutating func endObject() { close("}") }
    package mutating func beginArray() { open("[") }
    package mutating func endArray() { close("]") }

    package mutating func key(_ key: String) {
        separate()
        quote(key.utf8)
        append(":")
        needsComma = false
    }

    package mutating func key(utf8 key: some Collection<UInt8>) {
        separate()
        quote(key)
        append(":")
        needsComma = false
    }

    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    package mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func string(_ text: String) {
        separate()
        quote(text.utf8)
    }

    /// The caller vouches for valid UTF-8.
    package mutating func string(utf8 text: some Collection<UInt8>) {
        separate()
        quote(text)
    }

    package mutating func integer(_ value: some FixedWidthInteger) {
        separate()
        digits(of: value)
    }

    /// JSON that was written before, such as a payload.
    package mutating func raw(_ json: [UInt8]) {
        separate()
        bytes.append(contentsOf: json)
    }

    private mutating func open(_ bracket: Unicode.Scalar) {
        separate()
        append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: Unicode.Scalar) {
        append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { append(",") }
        needsComma = true
    }

    private mutating func append(_ character: Unicode.Scalar) {
        bytes.append(UInt8(ascii: character))
    }
}

// MARK: - Numbers

extension JSONWriter {
    /// The shortest text that reads back as the same float, whole numbers as `1.0`; NaN and infinities as `null`.
    package mutating func float(_ value: Float) {
        floatTexts([value])
    }

    package mutating func double(_ value: Double) {
        separate()
        let start = bytes.count
        bytes.append(addingCapacity: Int(GRAPE_DOUBLE_TEXT_MAX)) { output in
            unsafe output.withUnsafeMutableBufferPointer { buffer, count in
                count = unsafe grape_format_double(value, buffer.baseAddress)
            }
        }
        assert(bytes.count > start)
    }

    /// An array of numbers, each as `float` writes it.
    package mutating func floats(_ values: [Float]) {
        beginArray()
        if !values.isEmpty { floatTexts(values) }
        endArray()
    }

    private mutating func floatTexts(_ values: [Float]) {
        separate()
        let room = values.count * Int(GRAPE_FLOAT_TEXT_MAX)
        bytes.append(addingCapacity: room) { output in
            unsafe output.withUnsafeMutableBufferPointer { buffer, count in
                count = unsafe grape_format_floats(values, values.count, buffer.baseAddress)
            }
        }
    }

    private mutating func digits(of value: some FixedWidthInteger) {
        if value < 0 { append("-") }
        var rest = UInt64(value.magnitude)
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }
}

// MARK: - Strings

extension JSONWriter {
    private mutating func quote(_ text: some Collection<UInt8>) {
        append("\"")
        let done: Void? = text.withContiguousStorageIfAvailable { buffer in
            unsafe escape(buffer.span)
        }
        if done == nil { escape(Array(text).span) }
        append("\"")
    }

    /// Runs of bytes that need no escape are appended as a whole.
    private mutating func escape(_ text: Span<UInt8>) {
        var start = 0
        for index in 0..<text.count where Self.needsEscape(text[index]) {
            copy(text.extracting(start..<index))
            escape(text[index])
            start = index + 1
        }
        copy(text.extracting(start..<text.count))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func copy(_ run: Span<UInt8>) {
        bytes.append(addingCapacity: run.count) { output in
            for index in 0..<run.count { output.append(run[index]) }
        }
    }

    private mutating func escape(_ byte: UInt8) {
        append("\\")
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: append("b")
        case 0x09: append("t")
        case 0x0a: append("n")
        case 0x0c: append("f")
        case 0x0d: append("r")
        default:
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(byte < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
            bytes.append(Self.hexDigit(byte & 0xf))
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
