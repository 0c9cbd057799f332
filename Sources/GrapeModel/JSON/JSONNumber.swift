/// A JSON number as it was written: integers keep all 64 bits.
///
/// Equality and order are those of the numbers: `1` equals `1.0`, and an integer is never rounded to a double for the
/// comparison. Invariants: `unsigned` is above `Int64.max`, `double` is finite.
package enum JSONNumber: Sendable {
    case integer(Int64)
    case unsigned(UInt64)
    case double(Double)

    package init(_ value: UInt64) {
        if let integer = Int64(exactly: value) { self = .integer(integer) } else { self = .unsigned(value) }
    }

    package var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .double(let value): value
        }
    }
}

extension JSONNumber: Comparable {
    package static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.integer(let a), .integer(let b)): a == b
        case (.unsigned(let a), .unsigned(let b)): a == b
        case (.double(let a), .double(let b)): a == b
        case (.integer, .unsigned), (.unsigned, .integer): false
        case (.integer(let a), .double(let b)), (.double(let b), .integer(let a)): Int64(exactly: b) == a
        case (.unsigned(let a), .double(let b)), (.double(let b), .unsigned(let a)): UInt64(exactly: b) == a
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.integer(let a), .integer(let b)): a < b
        case (.unsigned(let a), .unsigned(let b)): a < b
        case (.double(let a), .double(let b)): a < b
        case (.integer, .unsigned): true
        case (.unsigned, .integer): false
        case (.integer(let a), .double(let b)): isLess(a, than: b)
        case (.unsigned(let a), .double(let b)): isLess(a, than: b)
        case (.double(let a), .integer(let b)): isLess(a, than: b)
        case (.double(let a), .unsigned(let b)): isLess(a, than: b)
        }
    }

    /// a < b: the whole numbers below b are those below b rounded up.
    private static func isLess<Integer: FixedWidthInteger>(_ a: Integer, than b: Double) -> Bool {
        let bound = b.rounded(.up)
        if let whole = Integer(exactly: bound) { return a < whole }
        return bound > 0
    }

    /// a < b: the whole numbers above a are those above a rounded down.
    private static func isLess<Integer: FixedWidthInteger>(_ a: Double, than b: Integer) -> Bool {
        let bound = a.rounded(.down)
        if let whole = Integer(exactly: bound) { return whole < b }
        return bound < 0
    }
}

extension JSONNumber: Hashable {
    /// Equal numbers have equal hashes: a whole double hashes as its integer.
    package func hash(into hasher: inout Hasher) {
        switch self {
        case .integer(let value): hasher.combine(value)
        case .unsigned(let value): hasher.combine(value)
        case .double(let value):
            if let integer = Int64(exactly: value) {
                hasher.combine(integer)
            } else if let unsigned = UInt64(exactly: value) {
                hasher.combine(unsigned)
            } else {
                hasher.combine(value)
            }
        }
    }
}
