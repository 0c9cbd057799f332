/// The generator behind election timeouts: SplitMix64. The caller seeds it, so a run repeats exactly.
package struct RaftRandom: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number in `[0, bound)`. The bias of the remainder is far below anything a timeout could show.
    mutating func next(below bound: Int) -> Int {
        precondition(bound > 0, "random bound must be positive, is \(bound)")
        return Int(next() % UInt64(bound))
    }
}
