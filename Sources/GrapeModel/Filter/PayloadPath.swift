/// Where values are in a payload: `a`, `a.b`, `a[].b` (every element), `a[0]`, `"key with . in it".b`.
///
/// Keys that are not quoted hold any characters but `.`, `[`, `]` and `"`.
package struct PayloadPath: Sendable, Hashable {
    package enum Step: Sendable, Hashable {
        /// UTF-8 of an object's key.
        case key([UInt8])
        case index(Int)
        case everyElement
    }

    /// Invariant: not empty, the first is a key.
    package private(set) var steps: [Step]

    private static let stepsMax = 64

    /// Throws `.invalidRequest` where the text is no path.
    package init(_ text: String) throws(GrapeError) {
        var rest = Array(text.utf8)[...]
        var steps: [Step] = []
        repeat {
            guard let step = Self.step(from: &rest, isFirst: steps.isEmpty), steps.count < Self.stepsMax else {
                throw GrapeError(.invalidRequest, "\"\(shortened(text))\" is no path to a payload field")
            }
            steps.append(step)
        } while !rest.isEmpty
        self.steps = steps
    }

    /// nil where the steps make no path.
    init?(steps: [Step]) {
        guard case .key = steps.first, steps.count <= Self.stepsMax else { return nil }
        self.steps = steps
    }

    /// The path to the elements: `a` becomes `a[]`, `a[]` stays.
    var elements: PayloadPath {
        var path = self
        if steps.last != .everyElement { path.steps.append(.everyElement) }
        return path
    }

    private static func step(from rest: inout ArraySlice<UInt8>, isFirst: Bool) -> Step? {
        if rest.first == UInt8(ascii: "["), !isFirst { return subscriptStep(from: &rest) }
        if !isFirst {
            guard rest.popFirst() == UInt8(ascii: ".") else { return nil }
        }
        return rest.first == UInt8(ascii: "\"") ? quotedKey(from: &rest) : plainKey(from: &rest)
    }

    private static func subscriptStep(from rest: inout ArraySlice<UInt8>) -> Step? {
        rest.removeFirst()
        let digits = rest.prefix { $0 != UInt8(ascii: "]") }
        rest = rest.dropFirst(digits.count)
        guard rest.popFirst() != nil else { return nil }
        if digits.isEmpty { return .everyElement }
        guard digits.count <= 18, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return .index(digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
    }

    private static func quotedKey(from rest: inout ArraySlice<UInt8>) -> Step? {
        rest.removeFirst()
        let key = rest.prefix { $0 != UInt8(ascii: "\"") }
        rest = rest.dropFirst(key.count)
        guard rest.popFirst() != nil else { return nil }
        return .key(Array(key))
    }

    private static func plainKey(from rest: inout ArraySlice<UInt8>) -> Step? {
        let ends: [UInt8] = [UInt8(ascii: "."), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "\"")]
        let key = rest.prefix { !ends.contains($0) }
        guard !key.isEmpty else { return nil }
        rest = rest.dropFirst(key.count)
        return .key(Array(key))
    }
}
