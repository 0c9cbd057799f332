import Dispatch
import GrapeCluster
import Testing

@Suite struct ReadCrowdTests {
    private func crowd(of count: Int) -> ReadCrowd {
        let crowd = ReadCrowd()
        for _ in 0..<count { crowd.enter() }
        return crowd
    }

    @Test(arguments: [(1, 1), (2, 2), (3, 3), (8, 7), (9, 8), (16, 14)])
    func `A round waits for seven eighths of the reads under way`(reads: Int, needed: Int) {
        #expect(crowd(of: reads).decide(waiting: needed) == .begin)
        guard needed > 1 else { return }
        let crowd = crowd(of: reads)
        #expect(crowd.decide(waiting: needed - 1).asksForTimer)
        #expect(crowd.decide(waiting: needed - 1) == .stillHeld)
        #expect(crowd.decide(waiting: needed) == .begin)
    }

    @Test func `Who leaves tells that a held round may be worth it`() {
        let crowd = crowd(of: 3)
        #expect(!crowd.leave() && crowd.decide(waiting: 2) != .begin)
        crowd.enter()
        #expect(crowd.decide(waiting: 3) == .begin)
        #expect(crowd.decide(waiting: 1) == .stillHeld)
        #expect(crowd.leave() && crowd.decide(waiting: 3) == .begin)
        #expect(!crowd.leave())
    }

    @Test func `Readers who are between two questions are remembered for a few rounds`() {
        let crowd = crowd(of: 8)
        for _ in 0..<6 { _ = crowd.leave() }
        #expect(crowd.decide(waiting: 6).asksForTimer && crowd.decide(waiting: 7) == .begin)
        let needed = (0..<8).map { _ in (1...8).first { crowd.decide(waiting: $0) == .begin } }
        #expect(needed == [6, 5, 4, 3, 2, 2, 2, 2])
    }

    @Test func `A round is not held for long, and one timer serves those that follow each other`() {
        let crowd = crowd(of: 100)
        let start = ReadCrowd.start
        let end = start + ReadCrowd.patience
        #expect(crowd.decide(waiting: 1, at: start) == .hold(until: end))
        #expect(crowd.decide(waiting: 1, at: start + .microseconds(1_999)) == .stillHeld)
        #expect(crowd.decide(waiting: 1, at: end) == .begin)
        #expect(crowd.decide(waiting: 1, at: end) == .stillHeld, "the first one's timer has not ended")
        crowd.timerEnded()
        let next = crowd.decide(waiting: 1, at: end + .milliseconds(1))
        #expect(next == .hold(until: end + ReadCrowd.patience), "the next one is held for the time that it has left")
    }
}

extension ReadCrowd {
    fileprivate static let start = DispatchTime(uptimeNanoseconds: 1_000_000_000)

    /// Where no time passes.
    fileprivate func decide(waiting: Int) -> Decision { decide(waiting: waiting, at: Self.start) }
}

extension ReadCrowd.Decision {
    fileprivate var asksForTimer: Bool { if case .hold = self { true } else { false } }
}
