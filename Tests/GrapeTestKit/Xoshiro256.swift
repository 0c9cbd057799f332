/// xoshiro256** by Blackman and Vigna, seeded through SplitMix64: small, fast, and the same on every machine.
///
/// One seed makes a whole run. Each purpose draws from its own stream (`init(seed:stream:)`), so that one more draw for
/// the network does not change what the disks do.
package struct Xoshiro256: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    package init(seed: UInt64) {
        var mixer = SplitMix64(seed: seed)
        state = (mixer.next(), mixer.next(), mixer.next(), mixer.next())
    }

    /// An independent stream of the same seed.
    package init(seed: UInt64, stream: UInt64) {
        var mixer = SplitMix64(seed: stream)
        self.init(seed: seed ^ mixer.next())
    }

    package mutating func next() -> UInt64 {
        let result = rotated(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotated(state.3, 45)
        return result
    }

    /// A number below `bound`, by multiplication: the bias is below 2⁻³² for the bounds of a simulation.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "no number is below \(bound)")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    package mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.count)
    }

    /// True `probability` of the time, given in millionths so that no floating point decides a run.
    package mutating func chance(millionths probability: Int) -> Bool {
        probability > 0 && below(1_000_000) < probability
    }

    private func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }
}

/// Steele, Lea and Flood's generator: any seed, even zero, gives well-mixed numbers.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
