import GrapeRaft
import Testing

@Suite("Quorums")
struct QuorumTests {
    @Test("the committed index equals that of sorting, in thousands of random majorities")
    func committedIndexEqualsNaiveTwin() {
        var random = RaftRandom(seed: 1)
        for _ in 0..<20_000 {
            let incoming = voters(&random)
            let outgoing = voters(&random)
            var known: [ReplicaID: LogIndex] = [:]
            for id in incoming + outgoing where random.isLucky(3, in: 4) { known[id] = LogIndex(random.number(12)) }
            #expect(Quorum.committedIndex(incoming) { known[$0] } == naiveIndex(incoming, known))
            let both = Quorum.committedIndex(incoming: incoming, outgoing: outgoing) { known[$0] }
            let naive = [naiveIndex(incoming, known), naiveIndex(outgoing, known)].compactMap { $0 }.min()
            #expect(both == naive)
        }
    }

    @Test("vote results equal those of playing out every vote still missing")
    func voteResultEqualsNaiveTwin() {
        var random = RaftRandom(seed: 2)
        for _ in 0..<5_000 {
            let incoming = voters(&random)
            let outgoing = voters(&random)
            var votes: [ReplicaID: Bool] = [:]
            for id in incoming + outgoing where random.isLucky(2, in: 3) { votes[id] = random.isLucky(1, in: 2) }
            let result = Quorum.voteResult(incoming: incoming, outgoing: outgoing) { votes[$0] }
            #expect(result == naiveResult(incoming, outgoing, votes))
        }
    }

    private func voters(_ random: inout RaftRandom) -> [ReplicaID] {
        (1...8).filter { _ in random.isLucky(1, in: 2) }.map { ReplicaID($0) }
    }

    /// The middle of the sorted indexes.
    private func naiveIndex(_ voters: [ReplicaID], _ known: [ReplicaID: LogIndex]) -> LogIndex? {
        if voters.isEmpty { return nil }
        let sorted = voters.map { known[$0] ?? .zero }.sorted(by: >)
        return sorted[voters.count / 2]
    }

    /// Won if won whatever the missing votes are, lost if lost whatever they are.
    private func naiveResult(
        _ incoming: [ReplicaID], _ outgoing: [ReplicaID], _ votes: [ReplicaID: Bool]
    ) -> VoteResult {
        func wins(_ voters: [ReplicaID], _ missing: Bool) -> Bool {
            voters.isEmpty || voters.count { votes[$0] ?? missing } > voters.count / 2
        }
        if wins(incoming, false) && wins(outgoing, false) { return .won }
        return wins(incoming, true) && wins(outgoing, true) ? .pending : .lost
    }
}
