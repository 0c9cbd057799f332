import GrapeModel
import GrapeTestKit
import Testing

@Suite struct PointIDTests {
    private func id(_ text: String) -> PointID { PointID(canonical: Array(text.utf8)) }

    @Test(
        "A decimal without leading zeros up to 2⁶⁴−1 is an integer, anything else is not",
        arguments: [
            ("0", 0), ("7", 7), ("18446744073709551615", UInt64.max), ("9223372036854775808", 1 << 63),
        ] as [(String, UInt64)])
    func integers(text: String, number: UInt64) {
        #expect(id(text) == .integer(number))
        #expect(id(text).text == text)
    }

    @Test(
        "What only looks like a number is a text",
        arguments: [
            "", "007", "00", "-1", "+1", " 1", "1 ", "1.0", "1e3", "18446744073709551616", "99999999999999999999",
            "123456789012345678901", "٣", "0x10",
        ])
    func notIntegers(text: String) {
        #expect(id(text) == .text(Array(text.utf8)))
        #expect(id(text).text == text)
    }

    @Test("Every spelling of a UUID is one UUID")
    func uuids() {
        let canonical = "a8098c1a-f86e-11da-bd1a-00112444be1e"
        let expected = PointID.uuid(high: 0xa809_8c1a_f86e_11da, low: 0xbd1a_0011_2444_be1e)
        let plain = canonical.filter { $0 != "-" }
        for spelling in [canonical, plain, "{\(canonical)}", "urn:uuid:\(canonical)"] {
            #expect(id(spelling) == expected, "\(spelling)")
            #expect(id(spelling).text == canonical)
        }
        for spelling in [canonical, plain, "{\(canonical)}"] { #expect(id(spelling.uppercased()) == expected) }
        #expect(id("urn:uuid:" + canonical.uppercased()) == expected)
        #expect(id("00000000-0000-0000-0000-000000000001").text == "00000000-0000-0000-0000-000000000001")
    }

    @Test(
        "What is not quite a UUID is a text",
        arguments: [
            "a8098c1a-f86e-11da-bd1a-00112444be1", "a8098c1a-f86e-11da-bd1a-00112444be1ee",
            "a8098c1af-86e-11da-bd1a-00112444be1e", "g8098c1a-f86e-11da-bd1a-00112444be1e",
            "{a8098c1a-f86e-11da-bd1a-00112444be1e]", "{a8098c1af86e11dabd1a00112444be1e}",
            "urn:uuix:a8098c1a-f86e-11da-bd1a-00112444be1e", "a8098c1a-f86e-11da-bd1a+00112444be1e",
            "a8098c1af86e11dabd1a00112444be1-",
        ])
    func notUUIDs(text: String) {
        #expect(id(text) == .text(Array(text.utf8)))
    }

    @Test("Digits beyond ASCII make no UUID")
    func wideDigits() {
        for bytes in [UInt8(0xb2), 0xb3, 0xb9, 0xff] {
            let text = [bytes] + Array("8098c1af86e11dabd1a00112444be1e".utf8)
            #expect(PointID(canonical: text) == .text(text))
        }
    }

    private func random(using generator: inout SplitMix64) -> PointID {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0:
            return .integer(.random(in: 0...(.max >> UInt64.random(in: 0..<64, using: &generator)), using: &generator))
        case 1:
            return .uuid(
                high: .random(in: 0...3, using: &generator), low: .random(in: 0...UInt64.max, using: &generator))
        default:
            let count = Int.random(in: 1...4, using: &generator)
            return id(
                (0..<count).map { _ in ["a", "b", "é", "\u{0}", "🍇"].randomElement(using: &generator) ?? "" }.joined())
        }
    }

    @Test("The order of the bytes is the order of the ids: integers, UUIDs, texts")
    func byteOrder() {
        var generator = SplitMix64(seed: 11)
        let ids = (0..<400).map { _ in random(using: &generator) }
        for left in ids {
            for right in ids {
                #expect(left.encoded.lexicographicallyPrecedes(right.encoded) == (left < right))
                #expect((left.encoded == right.encoded) == (left == right))
            }
        }
        #expect(PointID.integer(.max) < .uuid(high: 0, low: 0))
        #expect(PointID.uuid(high: .max, low: .max) < .text([0]))
    }

    @Test("Ids come back from their bytes, and from their canonical text")
    func roundTrips() {
        var generator = SplitMix64(seed: 12)
        for _ in 0..<5_000 {
            let id = random(using: &generator)
            #expect(PointID(encoded: id.encoded) == id)
            #expect(PointID(encoded: ([9] + id.encoded).dropFirst()) == id)
            #expect(PointID(canonical: Array(id.text.utf8)) == id)
        }
    }

    @Test("Bytes that no id is written as are refused")
    func damagedBytes() {
        let bytes: [[UInt8]] = [
            [], [0], [4, 1], [1], [1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [2, 0, 0, 0, 0, 0, 0, 0, 0],
            [3], [3] + Array(repeating: 0x61, count: 513),
        ]
        for bytes in bytes { #expect(PointID(encoded: bytes) == nil, "\(bytes.prefix(12))") }
    }
}

@Suite struct WrittenIDTests {
    @Test("An id comes back in the form in which it was written")
    func forms() throws {
        let uuid = "a8098c1a-f86e-11da-bd1a-00112444be1e"
        for text in ["7", "007", "doc", uuid, uuid.uppercased(), "{\(uuid)}", "urn:uuid:\(uuid)", "e\u{301}", "\u{e9}"]
        {
            #expect(Array(try WrittenID(text: text).text.utf8) == Array(text.utf8))
        }
        #expect(try WrittenID(text: "7").id == WrittenID(number: 7).id)
        #expect(try WrittenID(text: "7") != WrittenID(number: 7))
        #expect(try WrittenID(text: uuid).form == .text)
        #expect(try WrittenID(text: uuid.uppercased()).id == WrittenID(text: uuid).id)
        #expect(try WrittenID(text: "e\u{301}").id != WrittenID(text: "\u{e9}").id)
    }

    @Test("An id has 1 to 512 bytes")
    func lengths() {
        #expect(throws: GrapeError.self) { try WrittenID(text: "") }
        #expect(throws: Never.self) { try WrittenID(text: String(repeating: "é", count: 256)) }
        #expect(throws: GrapeError.self) { try WrittenID(text: String(repeating: "é", count: 257)) }
    }
}
