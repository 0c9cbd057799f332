/// A moment, read from RFC 3339 text.
///
/// As in Qdrant a date alone is its midnight, a space may stand for the `T`, seconds and the offset may be missing (then
/// it is UTC), and the offset may lack its colon or its minutes.
package struct Timestamp: Sendable, Hashable, Comparable {
    /// Since 1970-01-01T00:00:00Z, by a calendar without leap seconds (`:60` is the next minute's first second).
    package let seconds: Int64
    /// 0 ..< 1,000,000,000. Further digits are cut.
    package let nanoseconds: Int32

    package static func < (left: Self, right: Self) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// nil where the text is no moment.
    package init?(_ text: Span<UInt8>) {
        var at = 0
        guard let days = Self.date(text, &at) else { return nil }
        guard at < text.count else {
            seconds = days * 86_400
            nanoseconds = 0
            return
        }
        guard Self.skip("T", text, &at) || Self.skip("t", text, &at) || Self.skip(" ", text, &at),
            let hour = Self.digits(2, text, &at), hour < 24, Self.skip(":", text, &at),
            let minute = Self.digits(2, text, &at), minute < 60,
            let second = Self.second(text, &at),
            let offset = Self.offset(text, &at), at == text.count
        else { return nil }
        seconds = days * 86_400 + hour * 3_600 + minute * 60 + second.whole - offset
        nanoseconds = second.nanoseconds
    }

    /// Days since 1970-01-01.
    private static func date(_ text: Span<UInt8>, _ at: inout Int) -> Int64? {
        guard let year = digits(4, text, &at), skip("-", text, &at), let month = digits(2, text, &at),
            skip("-", text, &at), let day = digits(2, text, &at),
            (1...12).contains(month), day >= 1, day <= length(ofMonth: month, year)
        else { return nil }
        // Years that begin in March put the leap day at the end; 153 days are five months in a row.
        let shifted = month > 2 ? year : year - 1
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func length(ofMonth month: Int64, _ year: Int64) -> Int64 {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        switch month {
        case 2: return isLeap ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }

    private static func second(_ text: Span<UInt8>, _ at: inout Int) -> (whole: Int64, nanoseconds: Int32)? {
        guard skip(":", text, &at) else { return (0, 0) }
        guard let whole = digits(2, text, &at), whole <= 60 else { return nil }
        guard skip(".", text, &at) else { return (whole, 0) }
        let start = at
        var fraction: Int32 = 0
        while at < text.count, let digit = digits(1, text, &at) {
            if at - start <= 9 { fraction = fraction * 10 + Int32(digit) }
        }
        guard at > start else { return nil }
        for _ in min(at - start, 9)..<9 { fraction *= 10 }
        return (whole, fraction)
    }

    /// Seconds east of Greenwich.
    private static func offset(_ text: Span<UInt8>, _ at: inout Int) -> Int64? {
        if at == text.count || skip("Z", text, &at) || skip("z", text, &at) { return 0 }
        let isWest = skip("-", text, &at)
        guard isWest || skip("+", text, &at), let hours = digits(2, text, &at), hours < 24 else { return nil }
        var minutes: Int64 = 0
        if at < text.count {
            _ = skip(":", text, &at)
            guard let value = digits(2, text, &at), value < 60 else { return nil }
            minutes = value
        }
        return (isWest ? -1 : 1) * (hours * 3_600 + minutes * 60)
    }

    /// Moves past the digits only where all of them are there.
    private static func digits(_ count: Int, _ text: Span<UInt8>, _ at: inout Int) -> Int64? {
        guard at + count <= text.count else { return nil }
        var value: Int64 = 0
        for index in at..<at + count {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            value = value * 10 + Int64(digit)
        }
        at += count
        return value
    }

    private static func skip(_ character: Unicode.Scalar, _ text: Span<UInt8>, _ at: inout Int) -> Bool {
        guard at < text.count, text[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }
}
