import GrapeTestKit
import Testing

private typealias Register = RegisterModel.Operation

@Suite("Linearizability checker")
struct LinearizabilityCheckerTests {
    private let checker = LinearizabilityChecker(model: RegisterModel())

    private func history(_ operations: (Register, Int, Int?)...) -> [TimedOperation<Register>] {
        operations.map { TimedOperation($0.0, call: $0.1, completion: $0.2) }
    }

    @Test("An empty history is linearizable")
    func empty() {
        #expect(checker.check([]) == .linearizable)
    }

    @Test("A read after a completed write must see it")
    func staleRead() {
        #expect(checker.check(history((.write(1), 0, 1), (.read(1), 2, 3))) == .linearizable)
        #expect(checker.check(history((.write(1), 0, 1), (.read(nil), 2, 3))) == .violated(stuckAt: 1))
    }

    @Test("A read that overlaps a write may see either value")
    func overlapping() {
        #expect(checker.check(history((.write(1), 0, 3), (.read(nil), 1, 2))) == .linearizable)
        #expect(checker.check(history((.write(1), 0, 3), (.read(1), 1, 2))) == .linearizable)
    }

    @Test("Two reads in sequence never go back")
    func backwards() {
        let reads = history((.write(1), 0, 9), (.read(1), 1, 2), (.read(nil), 3, 4))
        #expect(checker.check(reads) == .violated(stuckAt: 2))
    }

    @Test("A write applied twice shows as 1, 2, 1")
    func appliedTwice() {
        let reads = history(
            (.write(1), 0, 1), (.write(2), 2, 3), (.read(2), 4, 5), (.read(1), 6, 7))
        #expect(checker.check(reads) == .violated(stuckAt: 3))
    }

    @Test("A write of unknown outcome may take effect at any later time, or never")
    func unknown() {
        #expect(checker.check(history((.write(1), 0, nil), (.read(nil), 1, 2), (.read(1), 3, 4))) == .linearizable)
        #expect(checker.check(history((.write(1), 0, nil), (.read(nil), 1, 2))) == .linearizable)
        #expect(
            checker.check(history((.write(1), 0, nil), (.read(1), 1, 2), (.read(nil), 3, 4)))
                == .violated(stuckAt: 2))
    }

    @Test("Of two compare-and-sets with one expectation only one succeeds")
    func compareAndSet() {
        func both(_ second: Bool) -> [TimedOperation<Register>] {
            history(
                (.write(1), 0, 1), (.compareAndSet(expected: 1, new: 2, succeeded: true), 2, 5),
                (.compareAndSet(expected: 1, new: 3, succeeded: second), 3, 4))
        }
        #expect(checker.check(both(false)) == .linearizable)
        #expect(checker.check(both(true)) == .violated(stuckAt: 1))
    }

    @Test("A search that is not allowed to finish says so")
    func undecided() {
        let short = LinearizabilityChecker(model: RegisterModel(), stepsMax: 2)
        #expect(short.check(history((.write(1), 0, 1), (.read(1), 2, 3), (.read(1), 4, 5))) == .undecided)
    }

    @Test("The checker agrees with trying every order on 20,000 random histories")
    func naiveTwin() {
        var random = Xoshiro256(seed: 7)
        var linearizable = 0
        for round in 0..<20_000 {
            let history = RandomHistory.register(using: &random)
            let expected = NaiveLinearizability.isLinearizable(history, RegisterModel())
            let verdict = checker.check(history)
            #expect((verdict == .linearizable) == expected, "round \(round): \(history)")
            linearizable += expected ? 1 : 0
        }
        #expect((4_000..<16_000).contains(linearizable), "the random histories are all of one kind: \(linearizable)")
    }
}
