import GrapeTestKit
import Testing

@Suite("Random numbers")
struct Xoshiro256Tests {
    @Test("SplitMix64 gives the published numbers for seed 1234567")
    func splitMix() {
        var random = SplitMix64(seed: 1_234_567)
        let numbers = (0..<3).map { _ in random.next() }
        #expect(numbers == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
    }

    @Test("One seed and stream give one sequence, another stream another")
    func streams() {
        func numbers(_ seed: UInt64, _ stream: UInt64) -> [UInt64] {
            var random = Xoshiro256(seed: seed, stream: stream)
            return (0..<8).map { _ in random.next() }
        }
        #expect(numbers(1, 1) == numbers(1, 1))
        #expect(numbers(1, 1) != numbers(1, 2))
        #expect(numbers(1, 1) != numbers(2, 1))
    }

    @Test("Numbers below a bound are spread evenly, chances come as often as they should")
    func spread() {
        var random = Xoshiro256(seed: 5)
        var counts = [Int](repeating: 0, count: 10)
        var hits = 0
        for _ in 0..<100_000 {
            counts[random.below(10)] += 1
            hits += random.chance(millionths: 250_000) ? 1 : 0
        }
        #expect(counts.allSatisfy { (9_500...10_500).contains($0) })
        #expect((24_000...26_000).contains(hits))
        let never = random.chance(millionths: 0)
        #expect(!never)
    }
}
