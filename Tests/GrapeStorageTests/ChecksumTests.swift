import GrapeModel
import CHash
import GrapeStorage
import GrapeTestKit
import Testing

@Suite struct ChecksumTests {
    /// RFC 3720, appendix B.4.
    @Test func `CRC32C gives the published values`() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(CRC32C.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46dd_794e)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.checksum([]) == 0)
    }

    @Test func `the instruction and the table agree on every length and split`() {
        var generator = SplitMix64(seed: 1)
        for round in 0..<3000 {
            let bytes = generator.bytes(Int.random(in: 0..<(round % 10 == 0 ? 9000 : 300), using: &generator))
            let whole = grape_crc32c_table(0, bytes, bytes.count)
            #expect(CRC32C.checksum(bytes) == whole)
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let first = CRC32C.checksum(Array(bytes[..<cut]))
            #expect(CRC32C.checksum(Array(bytes[cut...]), seed: first) == whole)
        }
    }

    /// Values of the reference implementation's own self test.
    @Test func `XXH64 gives the published values`() {
        #expect(XXH64.hash([]) == 0xef46_db37_51d8_e999)
        #expect(XXH64.hash(Array("a".utf8)) == 0xd24e_c4f1_a98c_6e5b)
        #expect(XXH64.hash(Array("abc".utf8)) == 0x44bc_2cf5_ad77_0999)
        let text = Array("Nobody inspects the spammish repetition".utf8)
        #expect(XXH64.hash(text) == 0xfbce_a83c_8a37_8bf1)
        #expect(XXH64.hash(text.span.bytes) == XXH64.hash(text))
    }

    @Test func `rows decode without pointers at any alignment`() {
        var bytes: [UInt8] = [7]
        bytes.appendLittleEndian(UInt16(0x0102))
        bytes.appendBigEndian(UInt32(0x0304_0506))
        bytes.appendLittleEndian(UInt64.max - 1)
        bytes.append(floats: [1.5, -2, .infinity])
        bytes.append(contentsOf: "é".utf8)
        let span = bytes.span
        #expect(span.uint16LittleEndian(at: 1) == 0x0102)
        #expect(span.uint32BigEndian(at: 3) == 0x0304_0506)
        #expect(span.uint64LittleEndian(at: 7) == UInt64.max - 1)
        #expect(span.copyFloats(at: 15, count: 3) == [1.5, -2, .infinity])
        var floats = [Float](repeating: 0, count: 2)
        var target = floats.mutableSpan
        span.copyFloats(at: 19, into: &target)
        #expect(floats == [-2, .infinity])
        #expect(span.string(27..<29) == "é")
        #expect(span.string(28..<29) == nil)
    }
}
