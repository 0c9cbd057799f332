import GrapeTestKit
import Testing

private typealias Register = RegisterModel.Operation

@Suite("Register of unique writes")
struct UniqueRegisterModelTests {
    private func verdict(_ history: [TimedOperation<Register>]) -> Bool {
        let (model, settled) = UniqueRegisterModel.settling(history)
        let verdict = LinearizabilityChecker(model: model).check(settled) == .linearizable
        #expect(UniqueRegisterOrder.isLinearizable(settled) == verdict, "search and order differ: \(settled)")
        return verdict
    }

    @Test("A write of unknown outcome that nobody saw is left out, one that was seen must have come before")
    func unknown() {
        func history(_ seen: Int?) -> [TimedOperation<Register>] {
            [
                TimedOperation(.write(1), call: 0, completion: 1), TimedOperation(.write(2), call: 2, completion: nil),
                TimedOperation(.read(seen), call: 3, completion: 4), TimedOperation(.read(1), call: 5, completion: 6),
            ]
        }
        #expect(verdict(history(1)))
        #expect(!verdict(history(2)))
    }

    @Test("A value seen before it was written, or never written, is a violation")
    func fromNowhere() {
        #expect(!verdict([TimedOperation(.read(7), call: 0, completion: 1)]))
        #expect(
            !verdict([
                TimedOperation(.read(7), call: 0, completion: 1), TimedOperation(.write(7), call: 2, completion: nil),
            ]))
    }

    @Test("Fifteen writes at once with their readers are judged in a few steps")
    func manyAtOnce() {
        let writes = (1...15).map { TimedOperation(Register.write($0), call: $0, completion: 100 + $0) }
        // Seen from the last to the first: the order that a search by call time tries last.
        let reads = (1...15).map {
            TimedOperation(Register.read($0), call: 60 - 2 * $0, completion: 61 - 2 * $0)
        }
        let (model, settled) = UniqueRegisterModel.settling(writes + reads)
        #expect(LinearizabilityChecker(model: model, stepsMax: 20_000).check(settled) == .linearizable)
    }

    @Test("It agrees with the plain register on 20,000 random histories")
    func plainTwin() {
        var random = Xoshiro256(seed: 11)
        var linearizable = 0
        for round in 0..<20_000 {
            let history = RandomHistory.uniqueRegister(using: &random)
            let expected = NaiveLinearizability.isLinearizable(history, RegisterModel())
            #expect(verdict(history) == expected, "round \(round): \(history)")
            linearizable += expected ? 1 : 0
        }
        #expect((2_000..<18_000).contains(linearizable), "the random histories are all of one kind: \(linearizable)")
    }
}
