import GrapeModel

/// The target of a request, cut into decoded path segments and query parameters.
package struct RequestTarget: Sendable {
    package let segments: [String]
    package let query: [(name: String, value: String)]

    /// `target`: what stands in the request line, `/a/b?c=d` or `http://host/a/b?c=d`.
    package init(_ target: String) throws(GrapeError) {
        let origin = Self.withoutAuthority(target[...])
        let parts = origin.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.hasPrefix("/") else {
            throw GrapeError(.notFound, "the request's target is not a path")
        }
        var segments: [String] = []
        if path.utf8.count > 1 {
            for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
                segments.append(try Self.decoded(segment))
            }
        }
        self.segments = segments
        var query: [(name: String, value: String)] = []
        for parameter in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            let sides = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query.append((try Self.decoded(sides[0]), sides.count > 1 ? try Self.decoded(sides[1]) : ""))
        }
        self.query = query
    }

    private static func withoutAuthority(_ target: Substring) -> Substring {
        guard target.hasPrefix("http://") || target.hasPrefix("https://"),
            let start = target.dropFirst(8).firstIndex(where: { $0 == "/" || $0 == "?" })
        else { return target }
        return target[start...]
    }

    /// Percent-decoding; `+` stands for itself.
    private static func decoded(_ text: Substring) throws(GrapeError) -> String {
        let source = text.utf8
        guard source.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.count)
        var place = source.startIndex
        while place < source.endIndex {
            let byte = source[place]
            place = source.index(after: place)
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let end = source.index(place, offsetBy: 2, limitedBy: source.endIndex),
                let value = hexValue(source[place..<end])
            else {
                throw GrapeError(.invalidRequest, "the request's target has a % without two hexadecimal digits")
            }
            bytes.append(value)
            place = end
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw GrapeError(.invalidRequest, "the request's target does not decode to UTF-8")
        }
        return decoded
    }

    private static func hexValue(_ digits: Substring.UTF8View.SubSequence) -> UInt8? {
        var value: UInt8 = 0
        for digit in digits {
            guard let number = Character(UnicodeScalar(digit)).hexDigitValue, digit < 128 else { return nil }
            value = value << 4 | UInt8(number)
        }
        return value
    }
}
