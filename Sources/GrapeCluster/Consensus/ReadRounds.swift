import GrapeEngine
import GrapeModel
import GrapeRaft

/// Reads that wait until this node has applied what was committed before they came (RAFT.md 11, DESIGN D7).
///
/// Rounds are numbered as they are sent, each for one or more groups. All that wait for a group at one moment share its
/// next round; a round that was sent takes no more. A round without result is followed by another, for as long as somebody
/// waits; the result of any round that was sent after a reader came is good for it, so a slow answer is not lost by asking
/// again.
///
/// Owned by the store loop.
struct ReadRounds {
    private struct Reader {
        var token: Token
        /// Rounds after this one were sent after the reader came.
        var after: UInt64
    }

    private struct Group {
        var readers: [Reader] = []
        /// The last round that asked for it, while that one's result is awaited.
        var asking: UInt64?
        /// Confirmed; readable when the index is applied.
        var confirmed: [(index: RaftIndex, token: Token)] = []
    }

    private var groups: [LogGroup: Group] = [:]
    /// Groups that a read still waits for.
    private var open: [Token: Int] = [:]
    /// What the last rounds have heard.
    private var rounds: [UInt64: [LogGroup: ReadTally]] = [:]
    /// The last round that was sent; at first a number that no earlier run of this node used, as far as chance goes.
    private var last: UInt64
    /// Reads that came since then.
    private(set) var arrived = 0

    /// Answers to rounds before these come too late.
    private static let roundsMax = 16

    init(seed: UInt64) { last = (seed &* 0x9E37_79B9_7F4A_7C15) >> 1 }

    /// -> true where there is nothing to wait for.
    mutating func add(_ token: Token, _ groups: [LogGroup]) -> Bool {
        guard !groups.isEmpty else { return true }
        open[token] = groups.count
        arrived += 1
        for id in groups { self.groups[id, default: Group()].readers.append(Reader(token: token, after: last)) }
        return false
    }

    mutating func cancel(_ token: Token) { open[token] = nil }

    // MARK: Asking

    /// What is to be said to other nodes, and the reads that wait for nothing more.
    struct Step {
        var exchanges: [(NodeNumber, ReadExchange)] = []
        var readable: [Token] = []
    }

    /// Sends a round for every group in which somebody waits for the next one and none is under way.
    mutating func begin(_ replicas: [ReplicaDriver]) -> Step {
        guard !open.isEmpty else {
            forgetReaders()
            return Step()
        }
        return ask(replicas) { $0.asking == nil }
    }

    /// Rounds that brought no result are followed by others.
    mutating func retry(_ replicas: [ReplicaDriver]) -> Step { ask(replicas) { _ in true } }

    private mutating func ask(_ replicas: [ReplicaDriver], _ isDue: (Group) -> Bool) -> Step {
        let round = last + 1
        var step = Step()
        var asked: [NodeNumber: [LogGroup]] = [:]
        var tallies: [LogGroup: ReadTally] = [:]
        for driver in replicas where driver.isRunning {
            guard var group = groups[driver.group], !group.readers.isEmpty, isDue(group) else { continue }
            group.readers.removeAll { open[$0.token] == nil }
            if !group.readers.isEmpty {
                group.asking = round
                var tally = ReadTally()
                tally.add(driver.standing)
                tallies[driver.group] = tally
                for node in driver.otherVoters { asked[node, default: []].append(driver.group) }
            }
            groups[driver.group] = group
        }
        guard !tallies.isEmpty else { return step }
        last = round
        arrived = 0
        rounds[round] = tallies
        rounds[round - UInt64(Self.roundsMax)] = nil
        step.exchanges = asked.keys.sorted().map { ($0, .ask(round: round, asked[$0] ?? [])) }
        // Who votes alone needs nobody's word.
        for driver in replicas where tallies[driver.group] != nil {
            step.readable += settle(round, driver.group, applied: driver.appliedIndex)
        }
        return step
    }

    // MARK: Results

    /// Another node's answer. -> reads that wait for nothing more.
    mutating func take(
        _ standings: [ReadExchange.Standing], _ round: UInt64, from node: NodeNumber, applied: (LogGroup) -> RaftIndex?
    ) -> [Token] {
        var readable: [Token] = []
        for standing in standings where standing.replica.node == node {
            guard rounds[round]?[standing.group] != nil, let applied = applied(standing.group) else { continue }
            rounds[round]?[standing.group]?.add(standing)
            readable += settle(round, standing.group, applied: applied)
        }
        return readable
    }

    private mutating func settle(_ round: UInt64, _ id: LogGroup, applied: RaftIndex) -> [Token] {
        guard let index = rounds[round]?[id]?.index, var group = groups[id] else { return [] }
        rounds[round]?[id] = nil
        if rounds[round]?.isEmpty == true { rounds[round] = nil }
        let answered = group.readers.filter { $0.after < round }.map(\.token)
        group.readers.removeAll { $0.after < round }
        if let asking = group.asking, asking <= round { group.asking = nil }
        if index > applied { group.confirmed += answered.map { (index, $0) } }
        groups[id] = group
        return index > applied ? [] : finish(answered)
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
        guard let group = groups.removeValue(forKey: id) else { return [] }
        for round in rounds.keys { rounds[round]?[id] = nil }
        let tokens = group.readers.map(\.token) + group.confirmed.map(\.token)
        return tokens.filter { open.removeValue(forKey: $0) != nil }
    }

    /// Nobody waits any more.
    private mutating func forgetReaders() {
        guard !groups.isEmpty else { return }
        groups = [:]
        rounds = [:]
        arrived = 0
    }

    private mutating func finish(_ tokens: [Token]) -> [Token] {
        tokens.filter { token in
            guard let left = open[token] else { return false }
            open[token] = left > 1 ? left - 1 : nil
            return left == 1
        }
    }
}
