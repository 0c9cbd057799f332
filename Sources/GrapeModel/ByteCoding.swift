/// Fixed-width integers and lengths in byte arrays: big-endian in keys (byte order is number order), little-endian in
/// values. All of it is inlinable: unspecialised, a byte costs a dozen calls through witness tables, and messages between
/// nodes are made of little else.
extension [UInt8] {
    @inlinable
    package mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    @inlinable
    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Length as 32 bits, then the bytes.
    @inlinable
    package mutating func appendSized(_ bytes: some Collection<UInt8>) {
        appendLittleEndian(UInt32(bytes.count))
        append(contentsOf: bytes)
    }
}

extension FixedWidthInteger {
    /// The number whose big-endian bytes these are.
    @inlinable
    package init(bigEndianBytes bytes: some Collection<UInt8>) {
        self = 0
        for byte in bytes { self = self << 8 | Self(truncatingIfNeeded: byte) }
    }
}

/// Reads what the functions above wrote, from bytes that may be damaged: every read says whether the bytes were there.
package struct ByteReader {
    @usableFromInline
    let all: [UInt8]
    @usableFromInline
    var position = 0

    @inlinable
    package init(_ bytes: [UInt8]) { all = bytes }

    @inlinable
    package var isAtEnd: Bool { position == all.count }
    @inlinable
    package var count: Int { all.count - position }

    /// Of 64 bits at most.
    @inlinable @inline(__always)
    package mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value? {
        littleEndian(Value.bitWidth / 8).map { Value(truncatingIfNeeded: $0) }
    }

    @usableFromInline
    mutating func littleEndian(_ width: Int) -> UInt64? {
        guard count >= width else { return nil }
        var value: UInt64 = 0
        for place in 0..<width { value |= UInt64(all[position + place]) << UInt64(8 * place) }
        position += width
        return value
    }

    @inlinable
    package mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, self.count >= count else { return nil }
        defer { position += count }
        return all[position..<position + count]
    }

    @inlinable
    package mutating func sized() -> ArraySlice<UInt8>? {
        guard let count = integer(UInt32.self) else { return nil }
        return bytes(Int(count))
    }

    /// A text of valid UTF-8.
    package mutating func text() -> String? {
        sized().flatMap { String(validating: $0, as: UTF8.self) }
    }
}
