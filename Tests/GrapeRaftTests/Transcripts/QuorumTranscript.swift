import GrapeRaft

/// The commands `committed` and `vote`: what majorities decide.
///
/// `cfg` and `cfgj` name the voters of one or two majorities, `idx` and `votes` what each has said in that order,
/// without repetition, `_` for nothing. `cfgj=zero` stands for an empty second majority.
enum QuorumTranscript {
    static func run(_ step: TranscriptFile.Step) -> String {
        let first = ids(step.values("cfg"))
        let isJoint = step.has("cfgj")
        let second = ids(step.values("cfgj"))
        let members = first + second.filter { !first.contains($0) }
        let words = step.values(step.command == "vote" ? "votes" : "idx")
        if words.count != members.count { return "error: \(members.count) voters, \(words.count) words" }
        func word(_ id: ReplicaID) -> String? {
            members.firstIndex(of: id).map { words[$0] }.flatMap { $0 == "_" ? nil : $0 }
        }
        if step.command == "vote" {
            return vote(first, isJoint ? second : nil) { id in word(id).map { $0 == "y" } }
        }
        return committed(first, isJoint ? second : nil) { id in word(id).flatMap { UInt64($0) }.map { LogIndex($0) } }
    }

    private static func ids(_ values: [String]) -> [ReplicaID] {
        values.compactMap { UInt64($0).map { ReplicaID($0) } }.sorted()
    }

    private static func vote(
        _ first: [ReplicaID], _ second: [ReplicaID]?, _ votes: (ReplicaID) -> Bool?
    ) -> String {
        guard let second else { return name(Quorum.voteResult(first, votes: votes)) }
        let result = Quorum.voteResult(incoming: first, outgoing: second, votes: votes)
        let swapped = Quorum.voteResult(incoming: second, outgoing: first, votes: votes)
        return (swapped == result ? "" : "\(name(swapped)) <-- via symmetry\n") + name(result)
    }

    private static func name(_ result: VoteResult) -> String {
        switch result {
        case .pending: "VotePending"
        case .lost: "VoteLost"
        case .won: "VoteWon"
        }
    }

    private static func committed(
        _ first: [ReplicaID], _ second: [ReplicaID]?, _ index: (ReplicaID) -> LogIndex?
    ) -> String {
        let other = second ?? []
        let result = Quorum.committedIndex(incoming: first, outgoing: other, acknowledged: index)
        let swapped = Quorum.committedIndex(incoming: other, outgoing: first, acknowledged: index)
        var text = describe(first + other.filter { !first.contains($0) }, index)
        if swapped != result { text += "\(name(swapped)) <-- via symmetry\n" }
        if second == nil {
            let itself = Quorum.committedIndex(incoming: first, outgoing: first, acknowledged: index)
            if itself != result { text += "\(name(itself)) <-- via self-joint quorum\n" }
            if let lower = lowered(first, result, index) { text += lower }
        }
        return text + name(result)
    }

    /// Lowering an index that lies below the committed one must not change the result.
    private static func lowered(
        _ voters: [ReplicaID], _ result: LogIndex?, _ index: (ReplicaID) -> LogIndex?
    ) -> String? {
        for id in voters {
            guard let own = index(id), let result, result > own else { continue }
            let changed = Quorum.committedIndex(voters) { $0 == id ? .zero : index($0) }
            if changed != result { return "\(name(changed)) <-- overlaying \(id.rawValue)->0" }
        }
        return nil
    }

    private static func name(_ index: LogIndex?) -> String { index.map { "\($0.rawValue)" } ?? "∞" }

    /// A bar for each voter, the longer the more voters lie behind it.
    private static func describe(_ voters: [ReplicaID], _ index: (ReplicaID) -> LogIndex?) -> String {
        if voters.isEmpty { return "<empty majority quorum>" }
        var text = String(repeating: " ", count: voters.count) + "    idx\n"
        for id in voters.sorted() {
            let own = index(id)
            let value = (own ?? .zero).rawValue
            var bar = String(repeating: "x", count: voters.count { (index($0) ?? .zero).rawValue < value })
            bar = own == nil ? "?" : bar + ">"
            bar += String(repeating: " ", count: voters.count + 1 - bar.count)
            let digits = String(repeating: " ", count: max(0, 5 - "\(value)".count)) + "\(value)"
            text += "\(bar) \(digits)    (id=\(id.rawValue))\n"
        }
        return text
    }
}
