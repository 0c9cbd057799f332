import GrapeRaft

/// Words for what replicas say and hold, in the form of the transcripts.
enum Describe {
    static func message(_ message: Message, indent: String = "") -> String {
        var text = "\(indent)\(replica(message.from))->\(replica(message.to)) \(kind(message.kind))"
        text += " Term:\(message.term.rawValue) Log:\(message.logTerm.rawValue)/\(message.index.rawValue)"
        if message.reject { text += " Rejected (Hint: \(message.rejectHint.rawValue))" }
        if message.commit != .zero { text += " Commit:\(message.commit.rawValue)" }
        if message.vote != .none { text += " Vote:\(message.vote.rawValue)" }
        if message.entries.count == 1 {
            text += " Entries:[\(entry(message.entries[0]))]"
        } else if message.entries.count > 1 {
            text += " Entries:[" + message.entries.map { "\n\(indent)  \(entry($0))" }.joined() + "\n\(indent)]"
        }
        if let snapshot = message.snapshot, !snapshot.isEmpty {
            text += "\n\(indent)  Snapshot: \(self.snapshot(snapshot))"
        }
        if !message.responses.isEmpty {
            let responses = message.responses.map { "\n" + self.message($0, indent: indent + "  ") }
            text += " Responses:[" + responses.joined() + "\n\(indent)]"
        }
        return text
    }

    static func ready(_ ready: Ready) -> String {
        var text = ""
        if let state = ready.softState { text += "Lead:\(state.leader.rawValue) State:\(role(state.role))\n" }
        if let state = ready.hardState { text += "HardState \(hardState(state))\n" }
        if !ready.readStates.isEmpty {
            let states = ready.readStates.map { "{\($0.index.rawValue) \($0.context.rawValue)}" }
            text += "ReadStates [\(states.joined(separator: " "))]\n"
        }
        if !ready.entries.isEmpty { text += "Entries:\n" + entries(ready.entries) }
        if let snapshot = ready.snapshot { text += "Snapshot \(self.snapshot(snapshot))\n" }
        if !ready.committedEntries.isEmpty { text += "CommittedEntries:\n" + entries(ready.committedEntries) }
        if !ready.messages.isEmpty { text += "Messages:\n" + ready.messages.map { message($0) + "\n" }.joined() }
        return text.isEmpty ? "<empty Ready>" : "Ready MustSync=\(ready.mustSync):\n" + text
    }

    static func entries(_ entries: [Entry]) -> String { entries.map { entry($0) + "\n" }.joined() }

    static func entry(_ entry: Entry) -> String {
        let head = "\(entry.term.rawValue)/\(entry.index.rawValue)"
        switch entry.kind {
        case .normal: return "\(head) EntryNormal \(quoted(entry.data))"
        case .confChange, .confChangeV2:
            let name = entry.kind == .confChange ? "EntryConfChange" : "EntryConfChangeV2"
            let steps = (try? ConfChange(decoding: entry))?.steps.map(step) ?? ["undecodable"]
            return steps.isEmpty ? "\(head) \(name)" : "\(head) \(name) \(steps.joined(separator: " "))"
        }
    }

    static func step(_ step: ConfChange.Step) -> String {
        let letter =
            switch step.action {
            case .addVoter: "v"
            case .addLearner: "l"
            case .remove: "r"
            case .update: "u"
            }
        return letter + "\(step.replica.rawValue)"
    }

    static func hardState(_ state: HardState) -> String {
        let vote = state.vote == .none ? "" : " Vote:\(state.vote.rawValue)"
        return "Term:\(state.term.rawValue)\(vote) Commit:\(state.commit.rawValue)"
    }

    static func snapshot(_ snapshot: Snapshot) -> String {
        let state = snapshot.confState
        return
            "Index:\(snapshot.index.rawValue) Term:\(snapshot.term.rawValue) ConfState:Voters:[\(list(state.voters))]"
            + " VotersOutgoing:[\(list(state.votersOutgoing))] Learners:[\(list(state.learners))]"
            + " LearnersNext:[\(list(state.learnersNext))] AutoLeave:\(state.autoLeave)"
    }

    static func configuration(_ state: ConfState) -> String {
        var text = "voters=(\(list(state.voters)))"
        if !state.votersOutgoing.isEmpty { text += "&&(\(list(state.votersOutgoing)))" }
        if !state.learners.isEmpty { text += " learners=(\(list(state.learners)))" }
        if !state.learnersNext.isEmpty { text += " learners_next=(\(list(state.learnersNext)))" }
        if state.autoLeave { text += " autoleave" }
        return text
    }

    static func progress(_ peers: [ReplicaTable.Peer]) -> String {
        peers.map { "\($0.id.rawValue): \(progress($0.progress))\n" }.joined()
    }

    static func progress(_ progress: Progress) -> String {
        let state =
            switch progress.state {
            case .probe: "StateProbe"
            case .replicate: "StateReplicate"
            case .snapshot: "StateSnapshot"
            }
        var text = "\(state) match=\(progress.match.rawValue) next=\(progress.next.rawValue)"
        if progress.isLearner { text += " learner" }
        if progress.isPaused { text += " paused" }
        if progress.pendingSnapshot != .zero { text += " pendingSnap=\(progress.pendingSnapshot.rawValue)" }
        if !progress.isRecentlyActive { text += " inactive" }
        if progress.inflights.count > 0 {
            text += " inflight=\(progress.inflights.count)" + (progress.inflights.isFull ? "[full]" : "")
        }
        return text
    }

    static func list(_ ids: [ReplicaID]) -> String { ids.map { "\($0.rawValue)" }.joined(separator: " ") }

    static func replica(_ id: ReplicaID) -> String {
        switch id {
        case .none: "None"
        case .appendThread: "AppendThread"
        case .applyThread: "ApplyThread"
        default: String(id.rawValue, radix: 16)
        }
    }

    static func role(_ role: Role) -> String {
        switch role {
        case .follower: "StateFollower"
        case .candidate: "StateCandidate"
        case .leader: "StateLeader"
        case .preCandidate: "StatePreCandidate"
        }
    }

    static func error(_ error: RaftError) -> String {
        switch error {
        case .proposalDropped: "raft proposal dropped"
        case .localMessage: "raft: cannot step raft local message"
        case .peerNotFound: "raft: cannot step as peer not found"
        default: "\(error)"
        }
    }

    /// As Go's `%q` writes bytes.
    static func quoted(_ data: [UInt8]) -> String {
        var text = "\""
        for scalar in String(decoding: data, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case "\r": text += "\\r"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    static func kind(_ kind: MessageKind) -> String { "Msg" + kindNames[Int(kind.rawValue)] }

    static func kind(named name: String) -> MessageKind? {
        kindNames.firstIndex { "Msg" + $0 == name }.flatMap { MessageKind(rawValue: UInt8($0)) }
    }

    private static let kindNames = [
        "Hup", "Beat", "Prop", "App", "AppResp", "Vote", "VoteResp", "Snap", "Heartbeat", "HeartbeatResp",
        "Unreachable", "SnapStatus", "CheckQuorum", "TransferLeader", "TimeoutNow", "ReadIndex", "ReadIndexResp",
        "PreVote", "PreVoteResp", "StorageAppend", "StorageAppendResp", "StorageApply", "StorageApplyResp",
        "ForgetLeader",
    ]
}
