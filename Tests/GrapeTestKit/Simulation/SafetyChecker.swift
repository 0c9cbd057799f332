import GrapeRaft

/// Watches all replicas at once for what must never happen. Sees the durable logs, the roles, the commit indexes and
/// every entry applied; takes no part in the run.
///
/// Numbered as in section 5 of the Raft paper, figure 3, and RAFT.md "Simulation":
/// 1. At most one leader a term.
/// 2. A leader holds every entry committed in earlier terms.
/// 3. Two durable logs with an entry of the same index and term are equal up to there.
/// 4. A leader commits an entry of its own term, and a majority (of both halves in a joint configuration) has it on
/// disk.
/// 5. No replica's commit index passes what some leader decided.
/// 6. What was applied at an index never changes, nor does the state there.
/// 7. Term and commit index of one replica never fall while it runs.
/// 8. A replica gives its vote once a term, whatever crashes come between.
struct SafetyChecker {
    /// A log as it lies on disk: terms and chained hashes of the entries after `base`.
    private struct DurableLog {
        var base: UInt64 = 0
        var terms: [UInt64] = []
        var chains: [UInt64] = []

        var last: UInt64 { base + UInt64(terms.count) }

        func term(at index: UInt64) -> UInt64? {
            index > base && index <= last ? terms[Int(index - base) - 1] : nil
        }
    }

    private struct AppliedEntry {
        var term: UInt64
        var data: UInt64
        /// The state after it.
        var state: UInt64
        var contents: UInt64
        var chain: UInt64
    }

    private var leaders: [UInt64: ReplicaID] = [:]
    /// By replica and term: who got its vote.
    private var votes: [UInt64: ReplicaID] = [:]
    private var logs: [DurableLog] = []
    /// By index and term: the hash of the log up to there.
    private var chains: [UInt64: UInt64] = [:]
    /// `applied[i]` is what was applied at index `start + 1 + i`, by whoever did first.
    private var applied: [AppliedEntry] = []
    private let start: UInt64 = 1
    private(set) var decidedCommit: UInt64 = 1
    /// The term of the leader that decided each commit index, with that index; both rise.
    private var decisions: [(term: UInt64, index: UInt64)] = []

    mutating func addReplica(founder: Bool) {
        logs.append(DurableLog(base: founder ? start : 0))
    }

    // MARK: Leaders and commits

    /// A vote leaves its replica (or reaches the candidate itself).
    mutating func votes(_ id: ReplicaID, for candidate: ReplicaID, term: Term) throws(Violation) {
        let key = term.rawValue << 8 | id.rawValue
        if let other = votes[key], other != candidate {
            throw Violation(
                .votedTwice,
                "replica \(id.rawValue) in term \(term.rawValue): for \(other.rawValue) and \(candidate.rawValue)")
        }
        votes[key] = candidate
    }

    mutating func leads(_ id: ReplicaID, term: Term, lastIndex: LogIndex) throws(Violation) {
        if let other = leaders[term.rawValue], other != id {
            throw Violation(.oneLeaderPerTerm, "term \(term.rawValue): replicas \(other.rawValue) and \(id.rawValue)")
        }
        leaders[term.rawValue] = id
        // The newest decision of an earlier term. A leader may be elected after a later one has decided more.
        guard let decision = decisions.last(where: { $0.term < term.rawValue }) else { return }
        if lastIndex.rawValue < decision.index {
            throw Violation(
                .leaderCompleteness,
                "replica \(id.rawValue) leads term \(term.rawValue) with a log up to \(lastIndex.rawValue), "
                    + "index \(decision.index) was committed in term \(decision.term)")
        }
    }

    /// The leader at `position` moved its commit index.
    mutating func decided(
        _ commit: LogIndex, by id: ReplicaID, term: Term, isOfTerm: Bool, _ confState: ConfState
    ) throws(Violation) {
        let index = commit.rawValue
        if !isOfTerm {
            throw Violation(
                .commitOfOldTerm, "leader \(id.rawValue) of term \(term.rawValue) commits \(index) of another term")
        }
        for voters in [confState.voters, confState.votersOutgoing] where !voters.isEmpty {
            let holding = voters.count { holds(index, term.rawValue, at: Int($0.rawValue) - 1) }
            if holding <= voters.count / 2 {
                throw Violation(
                    .commitNotDurable,
                    "leader \(id.rawValue) of term \(term.rawValue) commits \(index), durable on \(holding) of "
                        + "\(voters.count) voters")
            }
        }
        if index > decidedCommit {
            decidedCommit = index
            decisions.append((term.rawValue, index))
        }
    }

    func follows(_ commit: LogIndex, _ id: ReplicaID) throws(Violation) {
        if commit.rawValue > decidedCommit {
            throw Violation(
                .commitNotDecided,
                "replica \(id.rawValue) commits \(commit.rawValue), leaders decided up to \(decidedCommit)")
        }
    }

    private func holds(_ index: UInt64, _ term: UInt64, at position: Int) -> Bool {
        logs[position].base >= index || logs[position].term(at: index) == term
    }

    // MARK: Durable logs

    /// A write has become durable. Returns whether it cut entries that were there.
    mutating func becameDurable(_ entries: [Entry], at position: Int) throws(Violation) -> Bool {
        guard let first = entries.first else { return false }
        var index = first.index.rawValue
        if index > logs[position].last + 1 {
            throw Violation(.logMatching, "replica \(position + 1) writes \(index) after \(logs[position].last)")
        }
        if index <= logs[position].base { return false }
        let kept = Int(index - logs[position].base) - 1
        let cuts = kept < logs[position].terms.count
        if cuts {
            logs[position].terms.removeSubrange(kept...)
            logs[position].chains.removeSubrange(kept...)
        }
        var chain = kept > 0 ? logs[position].chains[kept - 1] : baseChain(logs[position].base)
        for place in entries.indices {
            let term = entries[place].term.rawValue
            chain = (chain ^ term ^ TraceHash.of(entries[place].data)) &* 0x9E37_79B9_7F4A_7C15
            chain ^= chain >> 29
            let key = index << 24 | term
            if let known = chains[key], known != chain {
                throw Violation(
                    .logMatching, "replica \(position + 1) has another log up to index \(index) of term \(term)")
            }
            chains[key] = chain
            logs[position].terms.append(term)
            logs[position].chains.append(chain)
            index += 1
        }
        return cuts
    }

    mutating func installed(_ snapshot: Snapshot, _ state: UInt64, at position: Int) throws(Violation) {
        let entry = try entry(at: snapshot.index.rawValue, "replica \(position + 1) installs a snapshot")
        if entry.term != snapshot.term.rawValue || entry.state != state {
            throw Violation(.committedChanged, "snapshot at \(snapshot.index.rawValue) is not what was applied there")
        }
        logs[position] = DurableLog(base: snapshot.index.rawValue)
    }

    private func baseChain(_ base: UInt64) -> UInt64 {
        base <= start ? 0 : applied[Int(base - start) - 1].chain
    }

    private func entry(at index: UInt64, _ who: String) throws(Violation) -> AppliedEntry {
        guard index > start, index - start <= UInt64(applied.count) else {
            throw Violation(.committedChanged, "\(who) at \(index), nobody has applied that")
        }
        return applied[Int(index - start) - 1]
    }

    // MARK: Applied entries

    mutating func applied(_ entry: Entry, _ map: ReplicatedMap, by id: ReplicaID) throws(Violation) {
        let index = entry.index.rawValue
        let data = TraceHash.of(entry.data)
        let place = Int(index - start) - 1
        // Contents are hashed at every sixteenth index only: it costs more than the rest together.
        let contents = index % 16 == 0 ? map.contentHash : 0
        guard place < applied.count else {
            let chain = logs[Int(id.rawValue) - 1].term(at: index).map { _ in chainOnDisk(index, id) } ?? 0
            applied.append(
                AppliedEntry(
                    term: entry.term.rawValue, data: data, state: map.digest, contents: contents, chain: chain))
            return
        }
        let first = applied[place]
        if first.term != entry.term.rawValue || first.data != data {
            throw Violation(
                .committedChanged,
                "replica \(id.rawValue) applies another entry at \(index): term \(entry.term.rawValue), "
                    + "before it was term \(first.term)")
        }
        if first.state != map.digest || first.contents != contents {
            throw Violation(.appliedStateDiffers, "replica \(id.rawValue) at index \(index)")
        }
    }

    private func chainOnDisk(_ index: UInt64, _ id: ReplicaID) -> UInt64 {
        let log = logs[Int(id.rawValue) - 1]
        return log.chains[Int(index - log.base) - 1]
    }

    /// A client was told that its command took effect at `index`.
    func acknowledged(_ command: [UInt8], at index: UInt64) throws(Violation) {
        let entry = try entry(at: index, "a write is acknowledged")
        if entry.data != TraceHash.of(command) {
            throw Violation(.acknowledgedWriteMissing, "index \(index) holds another command")
        }
    }

    var lastApplied: UInt64 { start + UInt64(applied.count) }
}
