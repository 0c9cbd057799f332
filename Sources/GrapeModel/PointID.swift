/// Canonical identity of a point within its collection.
///
/// A decimal 0 … 2⁶⁴−1 without leading zeros is an integer, a UUID in any of its spellings is one UUID, anything else
/// is its UTF-8 bytes (so two spellings of a text that Unicode calls equivalent are two points). Order: integers, UUIDs,
/// texts.
package enum PointID: Sendable, Hashable {
    case integer(UInt64)
    case uuid(high: UInt64, low: UInt64)
    case text([UInt8])

    /// The canonical id of a text.
    package init(canonical bytes: [UInt8]) {
        if let number = Self.integer(from: bytes) {
            self = .integer(number)
        } else if let uuid = Self.uuid(from: bytes) {
            self = .uuid(high: uuid.high, low: uuid.low)
        } else {
            self = .text(bytes)
        }
    }

    /// Canonical text: decimal digits, a lower-case hyphenated UUID, or the text itself.
    package var text: String {
        switch self {
        case .integer(let number): String(number)
        case .uuid(let high, let low): Self.hyphenated(high: high, low: low)
        case .text(let bytes): String(decoding: bytes, as: UTF8.self)
        }
    }
}

extension PointID {
    private static func integer(from bytes: [UInt8]) -> UInt64? {
        guard (1...20).contains(bytes.count), bytes[0] != UInt8(ascii: "0") || bytes.count == 1 else { return nil }
        var value: UInt64 = 0
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = shifted.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }

    /// The four spellings: 32 digits, hyphenated, in braces, as a URN; in either case of letters.
    private static func uuid(from bytes: [UInt8]) -> (high: UInt64, low: UInt64)? {
        switch bytes.count {
        case 32: return digits(bytes[...], hyphenated: false)
        case 36: return digits(bytes[...], hyphenated: true)
        case 38:
            guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") else { return nil }
            return digits(bytes[1..<37], hyphenated: true)
        case 45:
            guard String(decoding: bytes[..<9], as: UTF8.self).lowercased() == "urn:uuid:" else { return nil }
            return digits(bytes[9...], hyphenated: true)
        default: return nil
        }
    }

    private static func digits(_ bytes: ArraySlice<UInt8>, hyphenated: Bool) -> (high: UInt64, low: UInt64)? {
        var halves: (high: UInt64, low: UInt64) = (0, 0)
        var count = 0
        for (offset, byte) in bytes.enumerated() {
            if hyphenated, offset == 8 || offset == 13 || offset == 18 || offset == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = hexDigit(byte) else { return nil }
            if count < 16 {
                halves.high = halves.high << 4 | digit
            } else {
                halves.low = halves.low << 4 | digit
            }
            count += 1
        }
        return halves
    }

    private static func hexDigit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    private static func hyphenated(high: UInt64, low: UInt64) -> String {
        func hex(_ value: UInt64, _ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: width - digits.utf8.count) + digits
        }
        return hex(high >> 32, 8) + "-" + hex(high >> 16 & 0xffff, 4) + "-" + hex(high & 0xffff, 4) + "-"
            + hex(low >> 48, 4) + "-" + hex(low & 0xffff_ffff_ffff, 12)
    }
}

extension PointID: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.integer(let a), .integer(let b)): a < b
        case (.uuid(let ah, let al), .uuid(let bh, let bl)): (ah, al) < (bh, bl)
        case (.text(let a), .text(let b)): a.lexicographicallyPrecedes(b)
        default: left.rank < right.rank
        }
    }

    private var rank: UInt8 {
        switch self {
        case .integer: 1
        case .uuid: 2
        case .text: 3
        }
    }
}

// MARK: - Bytes

extension PointID {
    /// Bytes of the id in keys: the rank, then big-endian digits or the text. Byte order is the order of ids.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(rank)
        switch self {
        case .integer(let number): bytes.appendBigEndian(number)
        case .uuid(let high, let low):
            bytes.appendBigEndian(high)
            bytes.appendBigEndian(low)
        case .text(let text): bytes.append(contentsOf: text)
        }
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// nil where the bytes are none that `encode` writes.
    package init?(encoded bytes: some Collection<UInt8>) { self.init(encoded: Array(bytes).span) }

    package init?(encoded bytes: [UInt8]) { self.init(encoded: bytes.span) }

    package init?(encoded bytes: Span<UInt8>) {
        guard bytes.count > 1 else { return nil }
        switch bytes[0] {
        case 1 where bytes.count == 9: self = .integer(Self.number(bytes, 1..<9))
        case 2 where bytes.count == 17:
            self = .uuid(high: Self.number(bytes, 1..<9), low: Self.number(bytes, 9..<17))
        case 3 where bytes.count - 1 <= Limits.idBytesMax:
            var text: [UInt8] = []
            text.reserveCapacity(bytes.count - 1)
            for place in 1..<bytes.count { text.append(bytes[place]) }
            self.init(canonical: text)
            guard case .text = self else { return nil }
        default: return nil
        }
    }

    /// Big-endian.
    private static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        var value: UInt64 = 0
        for place in range { value = value << 8 | UInt64(bytes[place]) }
        return value
    }
}
