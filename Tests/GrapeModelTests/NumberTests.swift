import GrapeModel
import Testing

@Suite struct JSONNumberTests {
    /// In ascending order; equal numbers in one group.
    private let groups: [[JSONNumber]] = [
        [.double(-1e300)],
        [.double(-9_223_372_036_854_777_856)],
        [.integer(.min), .double(-9_223_372_036_854_775_808)],
        [.integer(.min + 1)],
        [.integer(-2), .double(-2)],
        [.double(-1.5)],
        [.integer(-1), .double(-1)],
        [.double(-0.5)],
        [.integer(0), .double(0), .double(-0.0)],
        [.double(.leastNonzeroMagnitude)],
        [.integer(1), .double(1)],
        [.double(1.5)],
        [.integer(9_007_199_254_740_992), .double(9_007_199_254_740_992)],
        [.integer(9_007_199_254_740_993)],
        [.integer(.max)],
        [.unsigned(1 << 63), .double(9_223_372_036_854_775_808)],
        [.unsigned((1 << 63) + 1)],
        [.unsigned(.max)],
        [.double(18_446_744_073_709_551_616)],
        [.double(1e300)],
    ]

    @Test("Integers and doubles are ordered as numbers, without rounding")
    func order() {
        for (i, left) in groups.enumerated() {
            for (j, right) in groups.enumerated() {
                for a in left {
                    for b in right {
                        #expect((a < b) == (i < j), "\(a) < \(b)")
                        #expect((a == b) == (i == j), "\(a) == \(b)")
                        if i == j { #expect(a.hashValue == b.hashValue, "\(a), \(b)") }
                    }
                }
            }
        }
    }
}

@Suite struct TimestampTests {
    private func time(_ text: String) -> Timestamp? { Timestamp(Array(text.utf8).span) }

    @Test(
        "Moments are read from RFC 3339 and Qdrant's shorter forms",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0), ("1970-01-01", 0, 0), ("1969-12-31T23:59:59Z", -1, 0),
            ("2000-02-29T00:00:00Z", 951_782_400, 0), ("2024-05-01T12:00:00+02:00", 1_714_557_600, 0),
            ("2024-05-01T10:00:00", 1_714_557_600, 0), ("2024-05-01 10:00", 1_714_557_600, 0),
            ("2024-05-01t04:30:00-0530", 1_714_557_600, 0), ("2024-05-01T09:00:00-01", 1_714_557_600, 0),
            ("2024-05-01T10:00:00.5z", 1_714_557_600, 500_000_000),
            ("2024-05-01T10:00:00.123456789999Z", 1_714_557_600, 123_456_789),
            ("0000-03-01T00:00:00Z", -62_162_035_200, 0), ("9999-12-31T23:59:60Z", 253_402_300_800, 0),
        ])
    func good(text: String, seconds: Int, nanoseconds: Int) throws {
        let moment = try #require(time(text))
        #expect(moment.seconds == Int64(seconds))
        #expect(moment.nanoseconds == Int32(nanoseconds))
    }

    @Test(
        "Anything else is no moment",
        arguments: [
            "", "x", "2024", "2024-5-1", "2024-13-01", "2024-00-01", "2024-02-30", "2023-02-29", "1900-02-29",
            "2024-05-01T", "2024-05-01T24:00:00Z", "2024-05-01T10:60:00Z", "2024-05-01T10:00:61Z",
            "2024-05-01T10:00:00.Z", "2024-05-01T10:00:00Zx", "2024-05-01T10:00:00+", "2024-05-01T10:00:00+2:00",
            "2024-05-01T10:00:00+24:00", "2024-05-01T10:00:00+02:60", " 2024-05-01", "2024-05-01 ", "-024-05-01",
        ])
    func bad(text: String) {
        #expect(time(text) == nil)
    }
}
