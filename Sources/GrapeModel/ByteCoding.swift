/// Fixed-width integers and lengths in byte arrays: big-endian in keys (byte order is number order), little-endian in
/// values.
extension [UInt8] {
    package mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Length as 32 bits, then the bytes.
    package mutating func appendSized(_ bytes: some Collection<UInt8>) {
        appendLittleEndian(UInt32(bytes.count))
        append(contentsOf: bytes)
    }
}

extension FixedWidthInteger {
    /// The number whose big-endian bytes these are.
    package init(bigEndianBytes bytes: some Collection<UInt8>) {
        self = 0
        for byte in bytes { self = self << 8 | Self(truncatingIfNeeded: byte) }
    }
}

/// Reads what the functions above wrote, from bytes that may be damaged: every read says whether the bytes were there.
package struct ByteReader {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    package var isAtEnd: Bool { rest.isEmpty }
    package var count: Int { rest.count }

    package mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value? {
        let width = Value.bitWidth / 8
        guard rest.count >= width else { return nil }
        var value: Value = 0
        for byte in rest.prefix(width).reversed() { value = value << 8 | Value(truncatingIfNeeded: byte) }
        rest = rest.dropFirst(width)
        return value
    }

    package mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    package mutating func sized() -> ArraySlice<UInt8>? {
        guard let count = integer(UInt32.self) else { return nil }
        return bytes(Int(count))
    }

    /// A text of valid UTF-8.
    package mutating func text() -> String? {
        sized().flatMap { String(validating: $0, as: UTF8.self) }
    }
}
