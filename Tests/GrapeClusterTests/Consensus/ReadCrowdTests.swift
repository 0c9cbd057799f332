import GrapeCluster
import Testing

@Suite struct ReadCrowdTests {
    private func crowd(of count: Int) -> ReadCrowd {
        let crowd = ReadCrowd()
        for _ in 0..<count { crowd.enter() }
        return crowd
    }

    @Test(arguments: [(1, 1), (2, 1), (3, 2), (8, 4), (9, 5)])
    func `A round waits for half of the reads under way`(reads: Int, needed: Int) {
        #expect(crowd(of: reads).decide(waiting: needed) == .begin)
        guard needed > 1 else { return }
        let crowd = crowd(of: reads)
        #expect(crowd.decide(waiting: needed - 1) == .hold)
        #expect(crowd.decide(waiting: needed - 1) == .stillHeld)
        #expect(crowd.decide(waiting: needed) == .begin)
    }

    @Test func `Who leaves tells that a held round may be worth it`() {
        let crowd = crowd(of: 3)
        #expect(!crowd.leave() && crowd.decide(waiting: 2) == .begin)
        crowd.enter()
        #expect(crowd.decide(waiting: 1) == .hold)
        #expect(crowd.leave() && crowd.decide(waiting: 2) == .begin)
        #expect(!crowd.leave())
    }

    @Test func `Readers who are between two questions are remembered for a few rounds`() {
        let crowd = crowd(of: 8)
        for _ in 0..<6 { _ = crowd.leave() }
        #expect(crowd.decide(waiting: 3) == .hold && crowd.decide(waiting: 4) == .begin)
        let needed = (0..<8).map { _ in (1...4).first { crowd.decide(waiting: $0) == .begin } }
        #expect(needed == [3, 3, 2, 2, 1, 1, 1, 1])
    }

    @Test func `A round is not held for long`() async throws {
        let crowd = crowd(of: 100)
        #expect(crowd.decide(waiting: 1) == .hold)
        try await Task.sleep(for: .milliseconds(5))
        #expect(crowd.decide(waiting: 1) == .begin)
        #expect(crowd.decide(waiting: 1) == .hold, "the next one is held anew")
    }
}
