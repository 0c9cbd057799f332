import GrapeEngine
import GrapeRaft

/// Reads that wait until this node has applied what was committed before they came (RAFT.md 11, DESIGN D7).
///
/// Rounds of a group are numbered as they are sent. All that wait at one moment share the next round; a round that was
/// sent takes no more. A round without answer is followed by another, for as long as somebody waits; the answer to any
/// round that was sent after a reader came is good for it, so a slow answer is not lost by asking again.
///
/// Owned by the store loop.
struct ReadRounds {
    private struct Reader {
        var token: Token
        /// The first round that was sent after the reader came.
        var round: UInt64
    }

    private struct Group {
        var readers: [Reader] = []
        /// The last round that was sent; at first a number that no earlier run of this node used, as far as chance
        /// goes.
        var sent: UInt64
        /// Whether that round waits for its answer.
        var isAsking = false
        /// Confirmed; readable when the index is applied.
        var confirmed: [(index: RaftIndex, token: Token)] = []

        mutating func forgetReaders() {
            readers = []
            confirmed = []
            isAsking = false
        }
    }

    private var groups: [LogGroup: Group] = [:]
    /// Groups that a read still waits for.
    private var open: [Token: Int] = [:]
    private let beginning: UInt64

    init(seed: UInt64) { beginning = (seed &* 0x9E37_79B9_7F4A_7C15) >> 1 }

    /// -> true where there is nothing to wait for.
    mutating func add(_ token: Token, _ groups: [LogGroup]) -> Bool {
        guard !groups.isEmpty else { return true }
        open[token] = groups.count
        for id in groups {
            var group = self.groups[id] ?? Group(sent: beginning)
            group.readers.append(Reader(token: token, round: group.sent + 1))
            self.groups[id] = group
        }
        return false
    }

    mutating func cancel(_ token: Token) { open[token] = nil }

    /// Sends a round of every group in which somebody waits for the next one and none is under way.
    mutating func begin(_ replicas: [ReplicaDriver]) {
        guard !open.isEmpty else { return forgetReaders() }
        for driver in replicas where driver.isRunning { ask(driver, again: false) }
    }

    /// Rounds that got no answer are followed by others.
    mutating func retry(_ replicas: [ReplicaDriver]) {
        for driver in replicas where driver.isRunning { ask(driver, again: true) }
    }

    private mutating func ask(_ driver: ReplicaDriver, again: Bool) {
        guard var group = groups[driver.group], !group.readers.isEmpty, again || !group.isAsking else { return }
        group.readers.removeAll { open[$0.token] == nil }
        if !group.readers.isEmpty {
            group.sent += 1
            group.isAsking = true
            // Where nobody leads it is asked again.
            try? driver.raft.readIndex(ReadContext(group.sent))
        }
        groups[driver.group] = group
    }

    /// An answer to a round. -> reads that wait for nothing more.
    mutating func confirm(_ id: LogGroup, _ state: ReadState, applied: RaftIndex) -> [Token] {
        let round = state.context.rawValue
        guard var group = groups[id], round > beginning, round <= group.sent else { return [] }
        let answered = group.readers.filter { $0.round <= round }.map(\.token)
        group.readers.removeAll { $0.round <= round }
        if round == group.sent { group.isAsking = false }
        guard state.index > applied else {
            groups[id] = group
            return finish(answered)
        }
        group.confirmed += answered.map { (state.index, $0) }
        groups[id] = group
        return []
    }

    /// The group has applied so far. -> reads that wait for nothing more.
    mutating func applied(_ id: LogGroup, through index: RaftIndex) -> [Token] {
        guard var group = groups[id], !group.confirmed.isEmpty else { return [] }
        let tokens = group.confirmed.filter { $0.index <= index }.map(\.token)
        group.confirmed.removeAll { $0.index <= index }
        groups[id] = group
        return finish(tokens)
    }

    /// The replica is gone. -> who read it.
    mutating func drop(_ id: LogGroup) -> [Token] {
        guard var group = groups[id] else { return [] }
        let tokens = group.readers.map(\.token) + group.confirmed.map(\.token)
        group.forgetReaders()
        groups[id] = group
        return tokens.filter { open.removeValue(forKey: $0) != nil }
    }

    /// Nobody waits any more. Numbers go on: answers to old rounds must not pass for new ones.
    private mutating func forgetReaders() {
        for id in groups.keys { groups[id]?.forgetReaders() }
    }

    private mutating func finish(_ tokens: [Token]) -> [Token] {
        tokens.filter { token in
            guard let left = open[token] else { return false }
            open[token] = left > 1 ? left - 1 : nil
            return left == 1
        }
    }
}
