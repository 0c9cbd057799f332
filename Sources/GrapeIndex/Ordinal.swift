/// Number of a point's slot in the arenas of one index: dense, reused after the point is gone.
///
/// An ordinal means the same point for as long as a pin is held that was taken before the point died.
package struct Ordinal: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static func < (lhs: Ordinal, rhs: Ordinal) -> Bool { lhs.rawValue < rhs.rawValue }
}
