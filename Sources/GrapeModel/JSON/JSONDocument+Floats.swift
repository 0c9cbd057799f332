// HOT PATH

extension JSONDocument.Node {
    /// The numbers of an array as floats, each rounded to the nearest.
    ///
    /// Throws `.invalidVector`, with `name` and the position, where an element is no number or is beyond a float.
    package func floats(name: String) throws(GrapeError) -> [Float] {
        guard kind == .array else {
            throw GrapeError(.invalidVector, "\(name): expected an array of numbers, found \(kindName)")
        }
        var result = read(resolvingTies: false)
        if result.hasTie { result = read(resolvingTies: true) }
        if let refused = result.refused { throw refusal(of: refused, name: name) }
        return result.values
    }

    /// `refused`: position, from the first element's, of a word that is no float. `hasTie`: a double lies halfway
    /// between two floats.
    private typealias Reading = (values: [Float], refused: Int?, hasTie: Bool)

    private func read(resolvingTies: Bool) -> Reading {
        var refused: Int?
        var hasTie = false
        let start = position + 1
        let end = document.end(of: position)
        // A number takes two words of the tape, so this is exact where all elements are numbers.
        let values = [Float](capacity: (end - start) / 2) { output in
            let words = document.tape.span.extracting(start..<end)
            refused = Self.read(words, into: &output, &hasTie, resolvingTies)
        }
        return (values, refused, hasTie)
    }

    /// Reads numbers up to the end or the first element that can't be a float, whose position in `words` it returns.
    private static func read(
        _ words: Span<UInt64>, into output: inout OutputSpan<Float>, _ hasTie: inout Bool, _ resolvingTies: Bool
    ) -> Int? {
        var at = 0
        var tie = false
        defer { hasTie = tie }
        while at + 1 < words.count {
            let bits = words[at + 1]
            let value: Float
            switch UInt8(truncatingIfNeeded: words[at] >> 56) {
            case JSONTag.double:
                value = resolvingTies ? float(bits) : Float(Double(bitPattern: bits))
                tie = tie || isTie(bits)
            case JSONTag.integer: value = Float(Int64(bitPattern: bits))
            case JSONTag.unsigned: value = Float(bits)
            default: return at
            }
            guard value.isFinite else { return at }
            output.append(value)
            at += 2
        }
        return at < words.count ? at : nil
    }

    /// Whether the bits behind a float's precision are exactly one half.
    private static func isTie(_ bits: UInt64) -> Bool { bits & 0x1fff_ffff == 0x1000_0000 }

    /// The float nearest to the double with these bits.
    ///
    /// A double halfway between two floats may itself be rounded from a text that was nearer to one of them: that one
    /// whose own shortest text is this double, if either is. So every float comes back from its text (of all 2³² one,
    /// 7.038531e-26, needs this).
    private static func float(_ bits: UInt64) -> Float {
        let value = Double(bitPattern: bits)
        let nearest = Float(value)
        guard isTie(bits) else { return nearest }
        let neighbours = [nearest, nearest.nextDown, nearest.nextUp]
        return neighbours.first { Double($0.description) == value } ?? nearest
    }

    /// Every element before the refused one is a number of two words.
    private func refusal(of offset: Int, name: String) -> GrapeError {
        let found = JSONDocument.Node(document: document, position: position + 1 + offset)
        let place = "\(name)[\(offset / 2)]"
        guard let number = found.double else {
            return GrapeError(.invalidVector, "\(place): expected a number, found \(found.kindName)")
        }
        return GrapeError(.invalidVector, "\(place): \(number) is beyond a 32-bit float")
    }
}
