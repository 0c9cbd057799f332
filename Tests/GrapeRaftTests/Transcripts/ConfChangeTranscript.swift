import GrapeRaft

/// The commands `simple`, `enter-joint` and `leave-joint`: what a change makes of a configuration.
struct ConfChangeTranscript {
    private var table = ReplicaTable(inflightMessagesMax: 10, inflightBytesMax: 0)
    private var lastIndex = LogIndex.zero

    mutating func run(_ step: TranscriptFile.Step) -> String {
        defer { lastIndex = lastIndex.next }
        do throws(InteractionEnvironment.Failure) {
            let steps = try ConfChange.Step.parse(step.input.joined(separator: " "))
            table = try changed(step, steps)
            return Describe.configuration(table.confState) + "\n" + Describe.progress(table.peers)
        } catch {
            return error.text
        }
    }

    private func changed(
        _ step: TranscriptFile.Step, _ steps: [ConfChange.Step]
    ) throws(InteractionEnvironment.Failure) -> ReplicaTable {
        do throws(ConfChangeError) {
            switch step.command {
            case "simple": return try table.changingOne(steps, lastIndex: lastIndex)
            case "enter-joint":
                let autoLeave = step.values("autoleave").first == "true"
                return try table.enteringJoint(steps, autoLeave: autoLeave, lastIndex: lastIndex)
            default: return try table.leavingJoint()
            }
        } catch {
            throw InteractionEnvironment.Failure(text: Self.text(error))
        }
    }

    private static func text(_ error: ConfChangeError) -> String {
        switch error {
        case .alreadyJoint: "config is already joint"
        case .notJoint: "can't leave a non-joint config"
        case .simpleWhileJoint: "can't apply simple config change in joint config"
        case .jointFromZeroVoters: "can't make a zero-voter config joint"
        case .removedAllVoters: "removed all voters"
        case .moreThanOneVoterChanged: "more than one voter changed without entering joint config"
        case .undecodable, .tooManyReplicas, .inconsistent: "\(error)"
        }
    }
}
