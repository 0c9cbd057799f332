import GrapeModel

/// The block of 512 bytes that stands before a file in a tar archive (ustar): plain files only.
struct TarHeader: Equatable {
    static let blockBytes = 512
    /// Beyond, the size is written in binary, as GNU tar does.
    private static let octalSizeMax: UInt64 = 1 << 33
    private static let magic = Array("ustar\u{0}00".utf8)

    var name: String
    var byteCount: UInt64
    /// Seconds since 1970.
    var modifiedAt: UInt64

    /// Zeros that fill a file's last block.
    static func padding(_ byteCount: UInt64) -> Int { Int((512 - byteCount % 512) % 512) }

    /// Two empty blocks.
    static let end = [UInt8](repeating: 0, count: 2 * blockBytes)

    var encoded: [UInt8] {
        precondition((1...100).contains(name.utf8.count), "a name of \(name.utf8.count) bytes in an archive")
        var bytes: [UInt8] = []
        bytes.append(padded: Array(name.utf8), to: 100)
        bytes.append(octal: 0o644, 8)
        bytes.append(octal: 0, 8)
        bytes.append(octal: 0, 8)
        if byteCount < Self.octalSizeMax {
            bytes.append(octal: byteCount, 12)
        } else {
            bytes += [0x80, 0, 0, 0]
            bytes.appendBigEndian(byteCount)
        }
        bytes.append(octal: modifiedAt, 12)
        bytes.append(padded: [], to: 8, with: UInt8(ascii: " "))
        bytes.append(UInt8(ascii: "0"))
        bytes.append(padded: [], to: 100)
        bytes.append(contentsOf: Self.magic)
        bytes.append(padded: Array("grape".utf8), to: 32)
        bytes.append(padded: Array("grape".utf8), to: 32)
        bytes.append(padded: [], to: Self.blockBytes - bytes.count)
        let sum = bytes.reduce(UInt64(0)) { $0 + UInt64($1) }
        bytes.replaceSubrange(148..<156, with: Self.checksum(sum))
        return bytes
    }

    /// Six octal digits, a zero and a space.
    private static func checksum(_ sum: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(octal: sum, 7)
        return bytes + [UInt8(ascii: " ")]
    }

    /// Reads one that `encoded` has written: whatever else a tar header may say is refused.
    init?(encoded bytes: [UInt8]) {
        guard bytes.count == Self.blockBytes else { return nil }
        let name = bytes[..<100].prefix { $0 != 0 }
        guard !name.isEmpty, let text = String(validating: Array(name), as: UTF8.self),
            let byteCount = Self.size(bytes[124..<136]), let modifiedAt = Self.octal(bytes[136..<148])
        else { return nil }
        self.init(name: text, byteCount: byteCount, modifiedAt: modifiedAt)
        guard encoded == bytes else { return nil }
    }

    init(name: String, byteCount: UInt64, modifiedAt: UInt64) {
        self.name = name
        self.byteCount = byteCount
        self.modifiedAt = modifiedAt
    }

    private static func size(_ field: ArraySlice<UInt8>) -> UInt64? {
        field.first == 0x80 ? UInt64(bigEndianBytes: field.suffix(8)) : octal(field)
    }

    private static func octal(_ field: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for byte in field.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) else { return nil }
            value = value << 3 | UInt64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}

extension [UInt8] {
    fileprivate mutating func append(padded bytes: [UInt8], to width: Int, with fill: UInt8 = 0) {
        append(contentsOf: bytes)
        append(contentsOf: repeatElement(fill, count: width - bytes.count))
    }

    /// Octal digits and a zero behind them.
    fileprivate mutating func append(octal value: UInt64, _ width: Int) {
        let digits = Array(String(value, radix: 8).utf8)
        append(contentsOf: repeatElement(UInt8(ascii: "0"), count: Swift.max(0, width - 1 - digits.count)))
        append(contentsOf: digits.suffix(width - 1))
        append(0)
    }
}
