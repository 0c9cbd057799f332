import GrapeFaults
import Testing

/// The judge of the fault tests: it must see what a database does wrong, and nothing else.
struct ClusterHistoryTests {
    private func verdict(_ build: (inout PointHistory) -> Void) -> PointHistory.Verdict {
        var history = PointHistory()
        build(&history)
        return history.verdict()
    }

    @Test("what one client sees after another is explained")
    func inOrder() {
        let verdict = verdict {
            $0.add(.read(nil), call: 0, completion: 1)
            $0.add(.write(1), call: 2, completion: 3)
            $0.add(.read(1), call: 4, completion: 5)
            $0.add(.delete(existed: true), call: 6, completion: 7)
            $0.add(.read(nil), call: 8, completion: 9)
            $0.add(.delete(existed: false), call: 10, completion: 11)
        }
        #expect(verdict == .linearizable)
    }

    @Test("an acknowledged write that a later read does not see is a violation")
    func lostWrite() {
        let verdict = verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.add(.write(2), call: 2, completion: 3)
            $0.add(.read(1), call: 4, completion: 5)
        }
        #expect(verdict == .violated)
    }

    @Test("a write of unknown outcome may be seen, or never, but not seen and then gone")
    func unknownWrites() {
        let seen = verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.add(.write(2), call: 2, completion: nil)
            $0.add(.read(1), call: 3, completion: 4)
            $0.add(.read(2), call: 5, completion: 6)
        }
        #expect(seen == .linearizable)
        let gone = verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.add(.write(2), call: 2, completion: nil)
            $0.add(.read(2), call: 3, completion: 4)
            $0.add(.read(1), call: 5, completion: 6)
        }
        #expect(gone == .violated)
    }

    @Test("a delete that found a point tells of a write that nobody else saw")
    func deleteSees() {
        let verdict = verdict {
            $0.add(.write(1), call: 0, completion: nil)
            $0.add(.delete(existed: true), call: 1, completion: 2)
            $0.add(.read(nil), call: 3, completion: 4)
        }
        #expect(verdict == .linearizable)
        let twice = self.verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.add(.delete(existed: true), call: 2, completion: 3)
            $0.add(.delete(existed: true), call: 4, completion: 5)
        }
        #expect(twice == .violated)
    }

    @Test("a value that was refused must not be seen")
    func refusedWrite() {
        let verdict = verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.add(.read(7), call: 2, completion: 3)
        }
        #expect(verdict == .violated)
    }

    @Test("an exact search may miss a point that changes meanwhile, and no other")
    func misses() {
        let changing = verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.add(.write(2), call: 3, completion: 6)
            $0.addMiss(call: 4, completion: 5)
        }
        #expect(changing == .linearizable)
        let still = verdict {
            $0.add(.write(1), call: 0, completion: 1)
            $0.addMiss(call: 4, completion: 5)
        }
        #expect(still == .violated)
    }
}
