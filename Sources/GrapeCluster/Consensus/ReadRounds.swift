import GrapeEngine
import GrapeRaft

/// Reads that wait until this node has applied what was committed before they came (RAFT.md 11, DESIGN D7).
///
/// All that wait for a group at one moment share one round of it; a round that was sent takes no more. A round without
/// answer is asked again under a new context, for as long as somebody waits.
///
/// Owned by the store loop.
struct ReadRounds {
    private struct Group {
        /// Waiting for the next round.
        var waiting: [Token] = []
        var rounds: [(context: UInt64, tokens: [Token])] = []
        /// Confirmed; readable when this index is applied.
        var confirmed: [(index: RaftIndex, tokens: [Token])] = []
    }

    private var groups: [LogGroup: Group] = [:]
    /// Groups that a read still waits for.
    private var open: [Token: Int] = [:]
    private var nextContext: UInt64

    /// Contexts begin at a number that no earlier run of this node used, as far as chance goes.
    init(seed: UInt64) { nextContext = (seed &* 0x9E37_79B9_7F4A_7C15) >> 1 }

    /// -> true where there is nothing to wait for.
    mutating func add(_ token: Token, _ groups: [LogGroup]) -> Bool {
        guard !groups.isEmpty else { return true }
        open[token] = groups.count
        for group in groups { self.groups[group, default: Group()].waiting.append(token) }
        return false
    }

    mutating func cancel(_ token: Token) { open[token] = nil }

    /// Sends a round for every group that somebody waits for.
    mutating func begin(_ replicas: [ReplicaDriver]) {
        guard !open.isEmpty else { return groups.removeAll(keepingCapacity: true) }
        for driver in replicas where driver.isRunning {
            guard var group = groups[driver.group], !group.waiting.isEmpty else { continue }
            let tokens = group.waiting.filter { open[$0] != nil }
            group.waiting = []
            if !tokens.isEmpty {
                nextContext += 1
                group.rounds.append((nextContext, tokens))
                try? driver.raft.readIndex(ReadContext(nextContext))
            }
            groups[driver.group] = group
        }
    }

    /// Rounds that got no answer are asked again.
    mutating func retry(_ replicas: [ReplicaDriver]) {
        for driver in replicas {
            guard var group = groups[driver.group], !group.rounds.isEmpty else { continue }
            group.waiting += group.rounds.flatMap(\.tokens)
            group.rounds = []
            groups[driver.group] = group
        }
    }

    /// An answer to a round. -> reads that wait for nothing more.
    mutating func confirm(_ id: LogGroup, _ state: ReadState, applied: RaftIndex) -> [Token] {
        guard var group = groups[id], let place = group.rounds.firstIndex(where: { $0.context == state.context.rawValue })
        else { return [] }
        let tokens = group.rounds.remove(at: place).tokens
        if state.index > applied {
            group.confirmed.append((state.index, tokens))
            groups[id] = group
            return []
        }
        groups[id] = group
        return finish(tokens)
    }

    /// The group has applied so far. -> reads that wait for nothing more.
    mutating func applied(_ id: LogGroup, through index: RaftIndex) -> [Token] {
        guard var group = groups[id], !group.confirmed.isEmpty else { return [] }
        let tokens = group.confirmed.filter { $0.index <= index }.flatMap(\.tokens)
        group.confirmed.removeAll { $0.index <= index }
        groups[id] = group
        return finish(tokens)
    }

    mutating func drop(_ id: LogGroup) { groups[id] = nil }

    private mutating func finish(_ tokens: [Token]) -> [Token] {
        tokens.filter { token in
            guard let left = open[token] else { return false }
            open[token] = left > 1 ? left - 1 : nil
            return left == 1
        }
    }
}
