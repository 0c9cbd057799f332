/// A running hash over everything that happens: two runs are the same run if and only if it is equal at the end.
package struct TraceHash: Sendable {
    package private(set) var value: UInt64

    package init(seed: UInt64) { value = seed ^ 0xCBF2_9CE4_8422_2325 }

    /// Multiplication by the FNV prime, after folding the high bits in, so that every bit reaches every other.
    package mutating func mix(_ word: UInt64) {
        value = (value ^ word ^ value >> 32) &* 0x0000_0100_0000_01B3
        value ^= value >> 29
    }

    /// The hash of a text of bytes.
    package static func of(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3 }
        return hash ^ UInt64(bytes.count)
    }
}
