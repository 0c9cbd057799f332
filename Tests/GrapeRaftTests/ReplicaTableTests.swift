import GrapeRaft
import Testing

@Suite("Configuration changes")
struct ReplicaTableTests {
    @Test("every reachable configuration is restored from what snapshots keep of it")
    func restoreEqualsChanges() throws {
        var random = RaftRandom(seed: 6)
        let empty = ReplicaTable(inflightMessagesMax: 4, inflightBytesMax: 0)
        for _ in 0..<300 {
            var table = try empty.changingOne([ConfChange.Step(.addVoter, ReplicaID(1))], lastIndex: LogIndex(1))
            for _ in 0..<20 {
                guard let changed = try? table.applying(change(&random), lastIndex: LogIndex(5)) else { continue }
                table = changed
                let restored = try empty.restoring(table.confState, lastIndex: LogIndex(5))
                #expect(restored.confState == table.confState)
                #expect(restored.peers.map(\.id) == table.peers.map(\.id))
                #expect(restored.peers.map(\.progress.isLearner) == table.peers.map(\.progress.isLearner))
            }
        }
    }

    @Test("a change that is refused changes nothing, and every other leaves a voter")
    func votersRemain() throws {
        var random = RaftRandom(seed: 7)
        for _ in 0..<3_000 {
            var table = ReplicaTable(inflightMessagesMax: 4, inflightBytesMax: 0)
            for _ in 0..<10 {
                guard let changed = try? table.applying(change(&random), lastIndex: LogIndex(1)) else { continue }
                let before = Set(table.confState.voters)
                let after = Set(changed.confState.voters)
                #expect(!after.isEmpty)
                if !changed.isJoint && !table.isJoint { #expect(before.symmetricDifference(after).count <= 1) }
                table = changed
            }
        }
    }

    private func change(_ random: inout RaftRandom) -> ConfChange {
        if random.isLucky(1, in: 4) { return .leaveJoint }
        let actions: [ConfChange.Action] = [.addVoter, .addLearner, .remove, .update]
        var steps: [ConfChange.Step] = []
        for _ in 0...random.number(3) {
            steps.append(ConfChange.Step(actions[Int(random.number(4))], ReplicaID(random.number(6))))
        }
        let transitions: [ConfChange.Transition] = [.auto, .jointImplicit, .jointExplicit]
        return ConfChange(steps, transition: transitions[Int(random.number(3))])
    }

    @Test("changes survive encoding, and any bytes are decoded or refused")
    func coding() throws {
        var random = RaftRandom(seed: 8)
        for _ in 0..<3_000 {
            var change = change(&random)
            change.context = (0..<random.number(4)).map { UInt8($0) }
            let entry = Entry(kind: change.entryKind, data: change.encoded)
            #expect(try ConfChange(decoding: entry) == change)
            let single = ConfChange([ConfChange.Step(.remove, ReplicaID(random.next()))], isSingleStepForm: true)
            #expect(try ConfChange(decoding: Entry(kind: .confChange, data: single.encoded)) == single)
            let garbage = (0..<random.number(12)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            _ = try? ConfChange(decoding: Entry(kind: .confChange, data: garbage))
            _ = try? ConfChange(decoding: Entry(kind: .confChangeV2, data: garbage))
        }
        #expect(try ConfChange(decoding: Entry(kind: .confChangeV2)) == .leaveJoint)
        #expect(throws: ConfChangeError.undecodable) { try ConfChange(decoding: Entry(kind: .normal)) }
    }

    @Test("a description that no change leads to is refused")
    func impossibleConfiguration() {
        let table = ReplicaTable(inflightMessagesMax: 4, inflightBytesMax: 0)
        let impossible = [
            ConfState(voters: [ReplicaID(1)], learners: [ReplicaID(1)]),
            ConfState(voters: [ReplicaID(1)], learnersNext: [ReplicaID(2)]),
            ConfState(voters: [ReplicaID(1)], autoLeave: true),
            ConfState(learners: [ReplicaID(1)]),
            ConfState(voters: [ReplicaID(1), ReplicaID(1)]),
            ConfState(voters: [.none, ReplicaID(1)]),
            ConfState(voters: (1...1000).map { ReplicaID($0) }),
            ConfState(voters: [.appendThread]),
        ]
        for confState in impossible {
            #expect(throws: ConfChangeError.self, "\(confState)") {
                _ = try table.restoring(confState, lastIndex: LogIndex(1))
            }
        }
    }
}
