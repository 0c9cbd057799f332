import GrapeModel
import GrapeTestKit
import Testing

@Suite struct ByteCodingTests {
    @Test("Numbers of every width come back, in both byte orders")
    func integers() {
        func check<Value: FixedWidthInteger>(_ values: [Value]) {
            for value in values {
                var big: [UInt8] = []
                big.appendBigEndian(value)
                #expect(big.count == Value.bitWidth / 8)
                #expect(Value(bigEndianBytes: big) == value)
                var little: [UInt8] = []
                little.appendLittleEndian(value)
                #expect(little == big.reversed())
                var reader = ByteReader(little)
                #expect(reader.integer(Value.self) == value)
                #expect(reader.isAtEnd)
            }
        }
        check([0, 1, 0x80, 0xff] as [UInt8])
        check([.min, -1, 0, 1, .max] as [Int8])
        check([0, 0x0102, .max] as [UInt16])
        check([.min, -2, 0, 0x0102_0304, .max] as [Int32])
        check([0, 0x0102_0304_0506_0708, .max] as [UInt64])
        check([.min, -1, .max] as [Int64])
    }

    @Test("Big-endian bytes are in the order of the numbers")
    func order() {
        var generator = SplitMix64(seed: 2)
        for _ in 0..<2_000 {
            let pair = (0..<2).map { _ in
                UInt64.random(in: 0...(.max >> UInt64.random(in: 0..<60, using: &generator)), using: &generator)
            }
            let bytes = pair.map { number in
                var bytes: [UInt8] = []
                bytes.appendBigEndian(number)
                return bytes
            }
            #expect(bytes[0].lexicographicallyPrecedes(bytes[1]) == (pair[0] < pair[1]))
        }
    }

    @Test("What was written is read back, and every truncation is noticed")
    func truncations() {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(UInt16(7))
        bytes.appendSized(Array("grape 🍇".utf8))
        bytes.appendSized([])
        bytes.appendLittleEndian(Int64(-3))
        func read(_ bytes: [UInt8]) -> Bool {
            var reader = ByteReader(bytes)
            return reader.integer(UInt16.self) == 7 && reader.text() == "grape 🍇" && reader.sized()?.isEmpty == true
                && reader.integer(Int64.self) == -3 && reader.isAtEnd
        }
        #expect(read(bytes))
        for count in 0..<bytes.count { #expect(!read(Array(bytes.prefix(count))), "\(count) bytes") }
    }

    @Test("Lengths beyond the end, negative counts and invalid UTF-8 are refused")
    func damaged() {
        var long = ByteReader([0xff, 0xff, 0xff, 0xff, 1])
        #expect(long.sized() == nil)
        var negative = ByteReader([1, 2])
        #expect(negative.bytes(-1) == nil)
        #expect(negative.bytes(2).map(Array.init) == [1, 2])
        var text = ByteReader([1, 0, 0, 0, 0xff])
        #expect(text.text() == nil)
    }
}
