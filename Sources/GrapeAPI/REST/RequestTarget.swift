import GrapeModel

/// The target of a request, cut into decoded path segments and query parameters.
package struct RequestTarget: Sendable {
    package let segments: [String]
    package let query: [(name: String, value: String)]

    /// `target`: what stands in the request line, `/a/b?c=d` or `http://host/a/b?c=d`.
    package init(_ target: String) throws(GrapeError) {
        let bytes = Array(Self.withoutAuthority(target).utf8)
        let end = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        guard bytes.first == UInt8(ascii: "/") else {
            throw GrapeError(.notFound, "the request's target is not a path")
        }
        var segments: [String] = []
        if end > 1 {
            for part in bytes[1..<end].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
                segments.append(try Self.decoded(part))
            }
        }
        self.segments = segments
        var query: [(name: String, value: String)] = []
        for parameter in bytes[min(end + 1, bytes.count)...].split(separator: UInt8(ascii: "&")) {
            let sides = parameter.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            query.append((try Self.decoded(sides[0]), sides.count > 1 ? try Self.decoded(sides[1]) : ""))
        }
        self.query = query
    }

    private static func withoutAuthority(_ target: String) -> Substring {
        guard !target.utf8.starts(with: "/".utf8), target.hasPrefix("http://") || target.hasPrefix("https://"),
            let start = target.dropFirst(8).firstIndex(where: { $0 == "/" || $0 == "?" })
        else { return target[...] }
        return target[start...]
    }

    /// Percent-decoding; `+` stands for itself.
    private static func decoded(_ source: ArraySlice<UInt8>) throws(GrapeError) -> String {
        guard source.contains(UInt8(ascii: "%")) else { return String(decoding: source, as: UTF8.self) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.count)
        var place = source.startIndex
        while place < source.endIndex {
            let byte = source[place]
            place += 1
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard place + 2 <= source.endIndex, let value = hexValue(source[place..<place + 2]) else {
                throw GrapeError(.invalidRequest, "the request's target has a % without two hexadecimal digits")
            }
            bytes.append(value)
            place += 2
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw GrapeError(.invalidRequest, "the request's target does not decode to UTF-8")
        }
        return decoded
    }

    private static func hexValue(_ digits: ArraySlice<UInt8>) -> UInt8? {
        var value: UInt8 = 0
        for digit in digits {
            guard let number = Character(UnicodeScalar(digit)).hexDigitValue, digit < 128 else { return nil }
            value = value << 4 | UInt8(number)
        }
        return value
    }
}
